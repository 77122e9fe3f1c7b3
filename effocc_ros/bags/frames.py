# SPDX-License-Identifier: Apache-2.0
"""Moments of a bag as Frames."""

from collections.abc import Iterable, Iterator, Set
from pathlib import Path

from effocc_ros.bags.feeding import feeding
from effocc_ros.bags.reader import BagReader
from effocc_ros.errors import InputError
from effocc_ros.frame import Frame
from effocc_ros.networks.config import ModelConfig
from effocc_ros.rig import Rig
from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream import Stream, Trigger


def read_frame(path: Path | str, rig: Rig, model: ModelConfig, stamp: int) -> Frame:
    """Read the Frame that the node makes of a bag at one reference stamp.

    Args:
        path: The bag.
        rig: Which topics are which sensors.
        model: The network that the Frame is for.
        stamp: Reference stamp, nanoseconds since the epoch.

    Raises:
        InputError: The bag has no reference message of that stamp, or no Frame can be made of it.
    """
    (frame,) = read_frames(path, rig, model, (stamp,))
    return frame


def read_frames(
    path: Path | str, rig: Rig, model: ModelConfig, stamps: Iterable[int]
) -> Iterator[Frame]:
    """Read the Frames of several reference stamps in one pass over a bag.

    Args:
        path: The bag.
        rig: Which topics are which sensors.
        model: The network that the Frames are for.
        stamps: Reference stamps, nanoseconds since the epoch.

    Yields:
        The Frames, in the order of the bag.

    Raises:
        InputError: The bag has no reference message of a stamp, or no Frame can be made of it.
    """
    missing = set(stamps)
    if not missing:
        return
    with BagReader(path) as bag:
        for stream, trigger in _triggers(bag, rig, model, frozenset(missing)):
            frame = stream.assemble(trigger)
            if frame is not None and trigger.stamp in missing:
                missing.remove(trigger.stamp)
                yield frame
            if not missing:
                return
    raise InputError(
        f"bag {path}",
        found=f"no frame at {min(missing)} ns",
        expected="the stamp of a reference message with its inputs",
        reason="no_such_frame",
    )


def _triggers(
    bag: BagReader, rig: Rig, model: ModelConfig, stamps: Set[int]
) -> Iterator[tuple[Stream, Trigger]]:
    fed = feeding(bag, rig, model)
    stream = Stream(fed.stream_config(model, interval_s=0.0))
    feeders = fed.feeders(stream)
    for message in bag.messages([topic for topic in feeders if topic in bag.topics]):
        now = message.moment / NANOSECONDS
        feeders[message.topic](message.decode(), now, message.arrival / NANOSECONDS)
        yield from ((stream, each) for each in stream.poll(now) if each.stamp in stamps)
    yield from ((stream, each) for each in stream.flush() if each.stamp in stamps)
