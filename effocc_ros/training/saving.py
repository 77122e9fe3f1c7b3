# SPDX-License-Identifier: Apache-2.0
"""Averaged weights as checkpoints that a Predictor takes."""

from pathlib import Path

from effocc_ros.checkpoints import make_card, save_checkpoint
from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.training.config import TrainConfig
from effocc_ros.training.validation import Scores


def save_weights(
    path: Path,
    config: TrainConfig,
    network: ModelConfig,
    averaged: EffOcc,
    *,
    step: int,
    samples: int,
    scores: Scores | None,
    constant: Scores | None,
) -> None:
    """Write averaged weights and a model card.

    Args:
        path: The file, ``.safetensors``.
        config: The training.
        network: The network's preset.
        averaged: The network.
        step: Optimizer steps that it took.
        samples: Samples that it learned from.
        scores: What an evaluation of these very weights gave, or None.
        constant: What a guess without sensors gave on the same samples, or None.

    Raises:
        InputError: The file cannot be written.
    """
    data = config.training_data or f"{config.dataset}, split {config.train_split}"
    share = "" if config.labeled_fraction == 1 else f", {config.labeled_fraction:.0%} labeled"
    if config.budget:
        share += f", labels of {Path(config.budget).name}"
    notes = [config.notes] if config.notes else []
    if scores is not None:
        said = f"{config.val_split} ({scores.frames} samples, camera mask): {scores}"
        notes.append(said if constant is None else f"{said}; a guess without sensors: {constant}")
    card = make_card(
        network,
        trained=True,
        source=f"effocc train, config {config.name}, {step} steps of batch {config.batch_size}",
        training_data=f"{data}, {samples} samples{share}",
        licence=config.licence,
        notes=". ".join(notes),
    )
    save_checkpoint(path, network, averaged.state_dict(), card, half=config.half_weights)
