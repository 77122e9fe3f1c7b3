# SPDX-License-Identifier: Apache-2.0
"""The network that a name or a path stands for."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from effocc_ros.checkpoints import load_checkpoint, make_card, shipped_checkpoint
from effocc_ros.errors import InputError
from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.presets import load_preset, preset_names

logger = logging.getLogger(__name__)

SEED = 0
"""Seed of the weights of an untrained preset: everyone's are the same."""


@dataclass(frozen=True)
class LoadedModel:
    """A network, and what is known of it.

    Attributes:
        network: On any device, as it was trained: nothing is folded.
        config: What it looks like.
        name: What to call it: preset name or checkpoint file name.
        trained: False when the weights are random.
        card: The model card; empty where there is none.
    """

    network: EffOcc
    config: ModelConfig
    name: str
    trained: bool
    card: dict[str, Any] = field(default_factory=dict)


def load_model(model: str | Path) -> LoadedModel:
    """Make the network that a name or a path stands for, on the CPU.

    Args:
        model: Name of a preset, whose weights are random unless a checkpoint of it ships, or path
            of a checkpoint.

    Raises:
        InputError: There is no such preset or file, or the file is no checkpoint.
    """
    is_preset = str(model) in preset_names()
    shipped = shipped_checkpoint(str(model)) if is_preset else None
    if is_preset and shipped is None:
        return _untrained(str(model))
    path = shipped or Path(model)
    if not path.is_file():
        raise unknown_model(model)
    config, state_dict, card = load_checkpoint(path)
    network = EffOcc(config)
    network.load_state_dict(state_dict)
    return LoadedModel(network, config, path.stem, card["trained"], card)


def load_trained(model: str | Path, subject: str = "model") -> LoadedModel:
    """Make a network as :func:`load_model` does, one whose labels mean something.

    Args:
        model: Name of a preset or path of a checkpoint.
        subject: What the network is called where it is not of use.

    Raises:
        InputError: As above, or the weights are random.
    """
    loaded = load_model(model)
    if not loaded.trained:
        raise InputError(
            f"{subject} {model}",
            found="random weights",
            expected="a trained network",
            do="Give the path of a checkpoint",
            reason="untrained_model",
        )
    return loaded


def unknown_model(model: str | Path) -> InputError:
    """Return the error that says which models there are."""
    return InputError(
        "model",
        found=repr(str(model)),
        expected=f"the path of a checkpoint, or a preset: {', '.join(preset_names())}",
        do="See `effocc models`",
        reason="unknown_model",
    )


def _untrained(preset: str) -> LoadedModel:
    config = load_preset(preset)
    logger.warning("%s: no checkpoint was given, the weights are random", config.name)
    # A generator of its own, so that the caller's random numbers are not disturbed.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = EffOcc(config)
    return LoadedModel(network, config, config.name, False, make_card(config, trained=False))
