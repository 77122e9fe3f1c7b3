# SPDX-License-Identifier: Apache-2.0
"""How good the network is right now."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric

from effocc_ros.evaluation.miou import Confusion, confusion_of
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.occupancy import ClassList
from effocc_ros.training.batch import Batch
from effocc_ros.training.losses import IGNORE
from effocc_ros.training.precision import arithmetic


@dataclass(frozen=True)
class Scores:
    """Scores in the camera mask, shares of 1.

    Attributes:
        miou: Mean IoU over the classes that occur, free left out.
        geometric_iou: IoU of occupied against free.
        frames: Number of samples.
    """

    miou: float
    geometric_iou: float
    frames: int

    def __str__(self) -> str:
        return f"mIoU {100 * self.miou:.2f}, geometric IoU {100 * self.geometric_iou:.2f}"


def scores_of(confusion: Confusion) -> Scores:
    """Sum a confusion matrix up."""
    return Scores(confusion.mean_iou(), confusion.geometric_iou(), confusion.frames)


def validate(
    network: EffOcc,
    batches: Iterable[Batch],
    classes: ClassList,
    fabric: Fabric,
    precision: str,
    constant: np.ndarray | None = None,
) -> tuple[Scores, Scores | None]:
    """Score a network, and beside it a guess that never changes.

    Every process scores its own batches; how many these are may differ.

    Args:
        network: The network, in eval mode.
        batches: What it is judged on.
        classes: What the labels mean.
        fabric: Adds up what the processes counted.
        precision: As in the training's config.
        constant: (X, Y, Z) uint8, the guess.

    Returns:
        Scores of the network, and of the guess or None.
    """
    confusions = [Confusion.empty(classes), Confusion.empty(classes)]
    for batch in batches:
        batch = batch.to(fabric.device)
        with torch.inference_mode(), arithmetic(precision, fabric.device):
            labels = network.predict_labels(**batch.inputs.keywords())[0].cpu().numpy()
        truth, mask = batch.labels.cpu().numpy(), batch.mask_camera.cpu().numpy()
        for place in range(len(truth)):
            guesses = [labels[place], constant]
            for number, guess in enumerate(guesses):
                if guess is not None:
                    confusions[number] += confusion_of(
                        guess, truth[place], classes, mask[place], ignore=IGNORE
                    )
    scores = [scores_of(_sum_of_processes(confusion, fabric)) for confusion in confusions]
    return scores[0], None if constant is None else scores[1]


def _sum_of_processes(confusion: Confusion, fabric: Fabric) -> Confusion:
    if fabric.world_size == 1:
        return confusion
    counts = torch.from_numpy(np.append(confusion.counts.reshape(-1), confusion.frames))
    total = fabric.all_reduce(counts.to(fabric.device), reduce_op="sum").cpu().numpy()
    return Confusion(confusion.classes, total[:-1].reshape(confusion.counts.shape), int(total[-1]))
