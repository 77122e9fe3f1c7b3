# SPDX-License-Identifier: Apache-2.0
"""Lovász-softmax: the IoU itself as a loss (Berman et al., arXiv 1705.08790)."""

import torch
from torch import Tensor

from effocc_ros.training.losses import counted_voxels


def lovasz_softmax(logits: Tensor, labels: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean over the classes that occur of the Lovász extension of 1 - IoU.

    Args:
        logits: (..., C) floating point.
        labels: (...) integers below C, or 255 for unknown.
        weight: (...) boolean or floating point; voxels above 0 count, all alike.

    Returns:
        () floating point, between 0 (every voxel right beyond doubt) and 1; 0 where nothing
        counts.
    """
    logits, labels, weight = counted_voxels(logits, labels, weight)
    if weight is not None and (weight == 0).any():
        counted = weight > 0
        logits, labels = logits[counted], labels[counted]
    probabilities = logits.softmax(dim=-1)
    losses = [
        _lovasz_hinge(probabilities[:, index], labels == index)
        for index in labels.unique().tolist()
    ]
    return torch.stack(losses).mean() if losses else logits.sum()


def _lovasz_hinge(probability: Tensor, foreground: Tensor) -> Tensor:
    """Lovász extension of one class: errors, the largest first, times what each adds to 1 - IoU.

    Args:
        probability: (N,) of the class.
        foreground: (N,) boolean, true where the voxel is of the class; true at least once.
    """
    errors = torch.where(foreground, 1 - probability, probability)
    errors, order = errors.sort(descending=True)
    return errors @ jaccard_steps(foreground[order])


def jaccard_steps(foreground: Tensor) -> Tensor:
    """What each voxel adds to 1 - IoU when errors are made one after the other.

    Args:
        foreground: (N,) boolean, in the order in which the errors are made.

    Returns:
        (N,) float32, 0 or above, with a sum of 1: the gradient of the Lovász extension
        (algorithm 1 of the paper).
    """
    missed = foreground.cumsum(0)
    false_alarms = (~foreground).cumsum(0)
    total = missed[-1]
    distance = 1 - (total - missed).float() / (total + false_alarms).float()
    return torch.diff(distance, prepend=distance.new_zeros(1))
