# SPDX-License-Identifier: Apache-2.0
"""Telling a camera network how far things are: depth bins against the LiDAR (BEVDepth, 2022)."""

import torch
from torch import Tensor
from torch.nn import functional

from effocc_ros.networks.config import ModelConfig

SMALLEST = 1e-6
"""Distance of a probability from 1 below which it counts as this."""


def depth_bins_of(depth: Tensor, config: ModelConfig) -> Tensor:
    """Find the depth bin of every feature cell: that of the nearest return in it.

    Args:
        depth: (B, N, H, W) metric depth images, 0 where there is no return.
        config: The network's preset, for its bins and the size of its cells.

    Returns:
        (B * N, h, w) int64 number of the bin; -1 where no return fell, or one out of range.
    """
    start, end, step = config.depth_range
    far = torch.where(depth > 0, depth, torch.inf).flatten(0, 1)
    nearest = -functional.max_pool2d(-far[:, None], config.image_downsample)[:, 0]
    inside = (nearest >= start) & (nearest < end)
    bins = ((torch.where(inside, nearest, start) - start) / step).floor().long()
    return torch.where(inside, bins, -1)


def depth_sum(logits: Tensor, bins: Tensor) -> Tensor:
    """Sum binary cross-entropies of all bins over the cells that have a depth.

    Divided by the number of these cells it is the depth loss of BEVDepth, which EFFOcc's code has
    and its configs leave off. From logits, for the gradient of a probability's logarithm explodes
    where the probability has become 0 or 1.

    Args:
        logits: (B * N, D, h, w) floating point.
        bins: (B * N, h, w) from :func:`depth_bins_of`.

    Returns:
        () sum, 0 with a gradient of 0 where no cell has a depth.
    """
    known = bins >= 0
    log_hit = logits.permute(0, 2, 3, 1)[known].float().log_softmax(dim=1)
    log_miss = torch.log(-torch.expm1(log_hit.clamp(max=-SMALLEST)))
    target = functional.one_hot(bins[known], logits.shape[1]).bool()
    return -torch.where(target, log_hit, log_miss).sum()
