# SPDX-License-Identifier: Apache-2.0
"""Rig and model of a bag file."""

from pathlib import Path

from effocc_ros.bags.reader import BagReader
from effocc_ros.rig import Rig
from effocc_ros.rig_check import bag_contents
from effocc_ros.rig_guess import Guess, guess


def guess_for(bag: Path, rig: Rig | None, modality: str = "") -> Guess:
    """Look into a bag and find out what to run it with; see :func:`effocc_ros.rig_guess.guess`."""
    with BagReader(bag) as opened:
        contents = bag_contents(opened)
    return guess(contents, bag, rig=rig, modality=modality)
