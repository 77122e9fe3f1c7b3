# SPDX-License-Identifier: Apache-2.0
"""What a network pays for a wrong voxel: cross-entropies and the flow's L1.

Every mean comes apart into numerator and denominator, so that processes and accumulated batches
can divide by the denominator of all of them and give the loss of one process with one batch.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from effocc_ros.errors import InputError

IGNORE = 255
"""The label of a voxel of which nothing is known; it never counts."""

FLOW_WEIGHT = 0.25
"""What EFFOcc's flow heads multiply the flow's L1 with."""

_FEW = 0.7
"""Share of counted voxels below which picking them first is cheaper than computing all."""


class WeightedSum(NamedTuple):
    """A mean that is not divided yet.

    Attributes:
        numerator: () sum of weighted losses, with a gradient.
        denominator: () sum of weights, without one.
    """

    numerator: Tensor
    denominator: Tensor

    def __add__(self, other: "WeightedSum") -> "WeightedSum":
        """Return the sum over both sets of voxels."""
        return WeightedSum(self.numerator + other.numerator, self.denominator + other.denominator)

    def mean(self) -> Tensor:
        """() numerator / denominator; 0, with a gradient of 0, where nothing counts."""
        empty = self.denominator == 0
        return self.numerator / torch.where(
            empty, torch.ones_like(self.denominator), self.denominator
        )


def cross_entropy_sum(
    logits: Tensor,
    labels: Tensor,
    weight: Tensor | None = None,
    class_weights: Tensor | None = None,
) -> WeightedSum:
    """Sum weight * class weight * cross-entropy over all voxels, and the weights alone.

    With ``weight`` = mask_camera, no class weights and no ignored label this is the numerator and
    denominator of EFFOcc's loss on Occ3D. Class weights are no part of the denominator: they make
    a class dearer, not the others cheaper.

    Args:
        logits: (..., C) floating point.
        labels: (...) integers below C, or ``IGNORE``.
        weight: (...) boolean or floating point, 0 or above; 1 everywhere when absent.
        class_weights: (C,) floating point; 1 for every class when absent.

    Raises:
        InputError: Shapes differ, or a label that counts is neither below C nor ``IGNORE``.
    """
    logits, labels, weight = counted_voxels(logits, labels, weight)
    return _sum_of_losses(logits, labels, weight, class_weights)


def voxel_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    weight: Tensor | None = None,
    class_weights: Tensor | None = None,
) -> Tensor:
    """() mean of :func:`cross_entropy_sum`; 0 where nothing counts."""
    return cross_entropy_sum(logits, labels, weight, class_weights).mean()


def flow_l1_sum(flow: Tensor, truth: Tensor, weight: Tensor | None = None) -> WeightedSum:
    """Sum weight * |flow - truth| over all voxels and both components, and the weights.

    EFFOcc takes the mean over all voxels, whatever the mask, and multiplies it with
    ``FLOW_WEIGHT``; leave ``weight`` out for that.

    Args:
        flow: (..., 2) floating point, m/s.
        truth: (..., 2) floating point, m/s.
        weight: (...) boolean or floating point; 1 everywhere when absent.
    """
    check_shape("flow truth", truth.shape, "flow", flow.shape)
    flow, truth = flow.reshape(-1, flow.shape[-1]).float(), truth.reshape(-1, flow.shape[-1])
    weight = _flat_weight(weight, flow.shape[:1])
    if weight is not None:
        counted = weight > 0
        flow, truth, weight = flow[counted], truth[counted], weight[counted].float()
    distances = (flow - truth).abs().sum(dim=-1)
    if weight is None:
        count = torch.tensor(float(flow.numel()), device=flow.device)
        return WeightedSum(distances.sum(), count)
    return WeightedSum(distances @ weight, weight.sum() * flow.shape[-1])


def inverse_sqrt_weights(counts: Tensor, highest: float = 20.0) -> Tensor:
    """Class weights of 1 / sqrt(frequency), scaled to a mean of 1 over all voxels.

    Args:
        counts: (C,) how many voxels each class has in the training labels.
        highest: Cap before the scaling, for a class hardly seen; a class of average frequency
            has 1.

    Returns:
        (C,) float32.

    Raises:
        InputError: There is no voxel at all.
    """
    if counts.sum() <= 0:
        raise InputError(
            "class counts", found="no labeled voxel", expected="at least one", reason="no_labels"
        )
    counts = counts.double()
    weights = (counts.mean() / counts.clamp(min=1)).sqrt().clamp(max=highest)
    return (weights * counts.sum() / (weights @ counts)).float()


def counted_voxels(
    logits: Tensor, labels: Tensor, weight: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Flatten, and where few voxels count, pick those.

    Args:
        logits: (..., C).
        labels: (...) integers below C, or ``IGNORE``.
        weight: (...) boolean or floating point, 0 or above; 1 everywhere when absent.

    Returns:
        logits (N, C) float32 or wider, labels (N,) int64 and all below C, and weight (N,)
        float32, which is 0 where a voxel does not count, or None where all count alike.

    Raises:
        InputError: Shapes differ, or a label that counts is neither below C nor ``IGNORE``.
    """
    check_shape("labels", labels.shape, "logits without classes", logits.shape[:-1])
    classes = logits.shape[-1]
    logits, labels = logits.reshape(-1, classes), labels.reshape(-1)
    weight = _flat_weight(weight, labels.shape)
    counted = labels != IGNORE
    if weight is not None:
        counted &= weight > 0
    share = counted.float().mean().item() if len(counted) else 0.0
    if share < _FEW:
        index = counted.nonzero()[:, 0]
        logits, labels = logits[index], labels[index]
        if weight is not None:
            weight = None if weight.dtype == torch.bool else weight[index]
    elif share < 1.0:
        labels = torch.where(counted, labels, torch.zeros_like(labels))
        weight = counted if weight is None else weight * counted
    elif weight is not None and weight.dtype == torch.bool:
        weight = None
    labels = labels.long()
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise InputError(
            "labels",
            found=f"labels from {int(labels.min())} to {int(labels.max())}",
            expected=f"0 to {classes - 1}, or {IGNORE} for unknown",
            do="Check that labels and model belong to the same class list",
            reason="bad_labels",
        )
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return wide, labels, None if weight is None else weight.to(wide.dtype)


def check_shape(what: str, shape: torch.Size, other: str, expected: torch.Size) -> None:
    """Raise an InputError unless both shapes are the same."""
    if tuple(shape) != tuple(expected):
        raise InputError(
            what,
            found=f"shape {tuple(shape)}",
            expected=f"{tuple(expected)}, that of {other}",
            reason="bad_shape",
        )


def _flat_weight(weight: Tensor | None, shape: torch.Size) -> Tensor | None:
    if weight is None:
        return None
    check_shape("weight", (weight.numel(),), "labels, flattened", shape)
    return weight.reshape(-1)


def _sum_of_losses(
    logits: Tensor, labels: Tensor, weight: Tensor | None, class_weights: Tensor | None
) -> WeightedSum:
    if class_weights is not None:
        class_weights = class_weights.to(logits)
    if weight is None:
        total = functional.cross_entropy(logits, labels, class_weights, reduction="sum")
        count = torch.tensor(float(len(labels)), device=logits.device, dtype=logits.dtype)
        return WeightedSum(total, count)
    losses = functional.cross_entropy(logits, labels, class_weights, reduction="none")
    return WeightedSum(losses @ weight, weight.sum())
