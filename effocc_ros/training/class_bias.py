# SPDX-License-Identifier: Apache-2.0
"""A bias for each class with which the mean IoU of given scores is highest.

The most probable class is the best guess for accuracy. For the mean IoU it is not: there a rare
class is worth as much as a frequent one, and where to draw the line between two classes depends on
how often each is mistaken for the other (for binary decisions: Koyejo et al., "Consistent binary
classification with generalized performance metrics", NeurIPS 2014). The line is searched here
class by class, on scores of labelled voxels.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from effocc_ros.evaluation.miou import Confusion
from effocc_ros.occupancy import ClassList

STEPS = (0.4, 0.2, 0.1, 0.05)
"""How far a bias moves at a time; each is used until no class gains by it."""

LEAST_GAIN = 1e-5
"""Of mean IoU, for a move to be made."""


@dataclass(frozen=True)
class ClassBias:
    """What was found.

    Attributes:
        bias: (C,) float32, to be added to the classes' scores; 0 for free.
        before: Counts without it.
        after: Counts with it.
    """

    bias: Tensor
    before: Confusion
    after: Confusion


def fit_class_bias(scores: Tensor, truth: Tensor, classes: ClassList) -> ClassBias:
    """Search the biases.

    Args:
        scores: (C, N) float32, logits of N voxels.
        truth: (N,) int64 labels below C.
        classes: What they mean.

    Returns:
        The biases; 0 for classes that do not occur. On these voxels the mean IoU of those that
        do is never lower with them than without.
    """
    scores = scores.clone()
    bias = torch.zeros(len(scores))
    best = before = _confusion(scores.argmax(dim=0), truth, classes)
    for step in STEPS:
        while True:
            start = _goal(best)
            for index in _occurring(best):
                best = _move(scores, bias, index, step, truth, best)
            if not _goal(best) > start:
                break
    return ClassBias(bias, before, best)


def _occurring(confusion: Confusion) -> list[int]:
    """Return the scored classes that are true somewhere."""
    return [index for index in confusion.classes.scored if confusion.counts[index].any()]


def _goal(confusion: Confusion) -> float:
    """Mean IoU of the classes that occur, 0 if none does: others must not pay for being unsaid."""
    occurring = _occurring(confusion)
    return float(confusion.iou()[occurring].mean()) if occurring else 0.0


def _move(
    scores: Tensor, bias: Tensor, index: int, step: float, truth: Tensor, best: Confusion
) -> Confusion:
    """Move the bias of a class up or down if that is worth it; return the counts after that."""
    mine = scores[index].clone()
    scores[index] = -torch.inf
    others, rivals = scores.max(dim=0)
    for distance in (step, -step):
        labels = torch.where(mine + distance > others, index, rivals)
        found = _confusion(labels, truth, best.classes)
        if _goal(found) > _goal(best) + LEAST_GAIN:
            bias[index] += distance
            scores[index] = mine + distance
            return found
    scores[index] = mine
    return best


def _confusion(labels: Tensor, truth: Tensor, classes: ClassList) -> Confusion:
    size = len(classes.names)
    counts = torch.bincount(truth * size + labels, minlength=size * size)
    return Confusion(classes, counts.view(size, size).numpy().astype(np.int64))
