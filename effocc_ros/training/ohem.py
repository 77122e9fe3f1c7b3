# SPDX-License-Identifier: Apache-2.0
"""Online hard example mining: the worst voxels once more, with more weight."""

from torch import Tensor
from torch.nn import functional

from effocc_ros.training.losses import counted_voxels

TOP_RATIO = 0.2
TOP_WEIGHT = 4.0
"""Both as in EFFOcc's fusion networks for Waymo."""

WAYMO_CLASS_WEIGHTS = (
    21.996729830048952,
    7.504469780801267,
    10.597629961083673,
    12.18107968968811,
    15.143940258446506,
    13.035521328502758,
    9.861234292376812,
    13.64431851057796,
    15.121236434460473,
    21.996729830048952,
    6.201671013759701,
    5.7420517938838325,
    9.768712859518626,
    3.4607400626606317,
    4.152268220983671,
    1.0,
)
"""Of the labels 0 to 15, as in the same networks (configs/effocc_waymo, Apache-2.0)."""


def ohem_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    weight: Tensor | None = None,
    class_weights: Tensor | None = None,
    *,
    top_ratio: float = TOP_RATIO,
    top_weight: float = TOP_WEIGHT,
) -> Tensor:
    """Mean of the losses of all voxels, plus ``top_weight`` times the mean of the highest ones.

    A voxel's loss is weight * class weight * cross-entropy. Both means are over all voxels, those
    that do not count among them with a loss of 0, as EFFOcc takes them: with few counted voxels
    the loss is small. The highest voxels are those of this process's batch.

    Args:
        logits: (..., C) floating point.
        labels: (...) integers below C, or 255 for unknown.
        weight: (...) boolean or floating point, 0 or above; 1 everywhere when absent.
        class_weights: (C,) floating point; 1 for every class when absent.
        top_ratio: Share of all voxels that count as the highest.
        top_weight: What their mean is multiplied with.

    Returns:
        () floating point.
    """
    voxels = labels.numel()
    logits, labels, weight = counted_voxels(logits, labels, weight)
    if class_weights is not None:
        class_weights = class_weights.to(logits)
    losses = functional.cross_entropy(logits, labels, class_weights, reduction="none")
    if weight is not None:
        losses = losses * weight
    top = int(top_ratio * voxels)
    # Voxels that do not count have a loss of 0 and would only fill up the highest ones.
    highest = losses.topk(min(top, len(losses)), sorted=False).values
    return losses.sum() / max(voxels, 1) + top_weight * highest.sum() / max(top, 1)
