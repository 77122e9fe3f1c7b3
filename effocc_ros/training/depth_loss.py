"""Telling a camera network how far things are: depth bins against the LiDAR (BEVDepth, 2022)."""

import torch
from torch import Tensor
from torch.nn import functional

from effocc_ros.networks.config import ModelConfig


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


def depth_sum(probability: Tensor, bins: Tensor) -> Tensor:
    """Sum binary cross-entropies of all bins over the cells that have a depth.

    Divided by the number of these cells it is the depth loss of BEVDepth, which EFFOcc's code has
    and its configs leave off.

    Args:
        probability: (B * N, D, h, w), sums to 1 over the bins.
        bins: (B * N, h, w) from :func:`depth_bins_of`.

    Returns:
        () sum, 0 with a gradient of 0 where no cell has a depth.
    """
    known = bins >= 0
    rows = probability.permute(0, 2, 3, 1)[known].float()
    target = functional.one_hot(bins[known], probability.shape[1]).to(rows.dtype)
    return functional.binary_cross_entropy(rows, target, reduction="sum")
