# SPDX-License-Identifier: Apache-2.0
"""The losses of EFFOcc on OpenOccupancy: four terms, and labels brought to the logits' size."""

import torch
from torch import Tensor
from torch.nn import functional

from effocc_ros.errors import InputError
from effocc_ros.training.losses import IGNORE, WeightedSum, counted_voxels
from effocc_ros.training.lovasz import lovasz_softmax
from effocc_ros.training.scaling import geometric_scaling, semantic_scaling

VOXEL_COUNTS = (
    2242961742295,
    25985376,
    1561108,
    28862014,
    196106643,
    15920504,
    2158753,
    26539491,
    4004729,
    34838681,
    75173306,
    2255027978,
    50959399,
    646022466,
    869055679,
    1446141335,
    1724391378,
)
"""How many voxels of nuScenes-Occupancy are of each class, 0 free (EFFOcc, nusc_param.py)."""


def log_frequency_weights(counts: Tensor) -> Tensor:
    """Class weights of 1 / ln(count + 0.001).

    Args:
        counts: (C,) voxels of each class, each well above 1.

    Returns:
        (C,) float32.
    """
    return (1 / (counts.double() + 0.001).log()).float()


def weighted_cross_entropy_sum(
    logits: Tensor, labels: Tensor, class_weights: Tensor, weight: Tensor | None = None
) -> WeightedSum:
    """Sum class weight * cross-entropy, and the class weights of the voxels that count.

    Unlike :func:`effocc_ros.training.losses.cross_entropy_sum` the class weights are part of the
    denominator, as torch's weighted mean has it.

    Args:
        logits: (..., C) floating point.
        labels: (...) integers below C, or 255 for unknown.
        class_weights: (C,) floating point.
        weight: (...) boolean or floating point, 0 or above; 1 everywhere when absent.
    """
    logits, labels, weight = counted_voxels(logits, labels, weight)
    class_weights = class_weights.to(logits)
    losses = functional.cross_entropy(logits, labels, class_weights, reduction="none")
    weights = class_weights[labels]
    if weight is None:
        return WeightedSum(losses.sum(), weights.sum())
    return WeightedSum(losses @ weight, weights @ weight)


def openoccupancy_losses(
    logits: Tensor,
    labels: Tensor,
    free: int,
    class_weights: Tensor | None = None,
    weight: Tensor | None = None,
) -> dict[str, Tensor]:
    """The four terms, all of weight 1.

    Args:
        logits: (..., C) floating point.
        labels: (...) integers below C, or 255 for unknown.
        free: The label that means "nothing here".
        class_weights: (C,) floating point, of the cross-entropy; those of ``VOXEL_COUNTS`` when
            absent.
        weight: (...) boolean or floating point, 0 or above; 1 everywhere when absent.

    Returns:
        ``cross_entropy``, ``semantic_scaling``, ``geometric_scaling``, ``lovasz``: () each.
    """
    if class_weights is None:
        class_weights = log_frequency_weights(torch.tensor(VOXEL_COUNTS))
    entropy = weighted_cross_entropy_sum(logits, labels, class_weights, weight)
    return {
        "cross_entropy": entropy.mean(),
        "semantic_scaling": semantic_scaling(logits, labels, weight),
        "geometric_scaling": geometric_scaling(logits, labels, free, weight),
        "lovasz": lovasz_softmax(logits, labels, weight),
    }


def pool_labels(labels: Tensor, ratio: int, free: int) -> Tensor:
    """Make labels of a coarser grid: the most frequent class of each block that is not free.

    As EFFOcc pools them: a block is free only when it is free throughout. Where no class has two
    voxels of a block that is partly free, its label is unknown. The smaller label wins a tie;
    unknown voxels vote for unknown.

    Args:
        labels: (B, X, Y, Z) uint8, 255 for unknown.
        ratio: Voxels of a block along each axis.
        free: The label that means "nothing here".

    Returns:
        (B, X / ratio, Y / ratio, Z / ratio) uint8.

    Raises:
        InputError: The ratio does not divide the grid.
    """
    if ratio < 1 or any(size % ratio for size in labels.shape[1:]):
        raise InputError(
            "labels",
            found=f"a grid of {tuple(labels.shape[1:])} voxels",
            expected=f"a multiple of {ratio} along each axis",
            reason="bad_shape",
        )
    blocks = labels.unflatten(3, (-1, ratio)).unflatten(2, (-1, ratio)).unflatten(1, (-1, ratio))
    blocks = blocks.permute(0, 1, 3, 5, 2, 4, 6).flatten(4)
    pooled = torch.full_like(blocks[..., 0], IGNORE)
    # A single vote is not enough where there are free voxels: they have one each, and win the tie.
    is_free = blocks == free
    most = is_free.any(dim=-1).to(torch.int16)
    for label in labels.unique().tolist():
        if label == free:
            continue
        votes = (blocks == label).sum(dim=-1, dtype=torch.int16)
        more = votes > most
        pooled[more] = label
        most = torch.where(more, votes, most)
    pooled[is_free.all(dim=-1)] = free
    return pooled
