# SPDX-License-Identifier: Apache-2.0
"""Telling a camera network what its pixels see: the classes of the voxels that LiDAR returns hit.

The loss of the voxels reaches an image only through depth and splat. In a short training this one,
straight at the features that are splatted, is what teaches an image backbone to see.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.splat_table import pixels_in_ego
from effocc_ros.training.losses import IGNORE


def pixel_classes(
    depth: Tensor, labels: Tensor, matrices: Sequence[Tensor], config: ModelConfig, free: int
) -> Tensor:
    """Find the class of what every feature cell sees: that of the voxel of its nearest return.

    Args:
        depth: (B, N, H, W) metric depth images, 0 where there is no return.
        labels: (B, Dx, Dy, Dz) uint8 labels.
        matrices: As in :func:`pixels_in_ego`.
        config: The network's preset, for its grid and the size of its cells.
        free: Class of empty voxels.

    Returns:
        (B * N, h, w) uint8; ``IGNORE`` where no return fell, or one into a voxel that is free,
        unknown or outside of the grid.
    """
    batch, cameras, _, width = depth.shape
    far = torch.where(depth > 0, depth, torch.inf)
    nearest, place = functional.max_pool2d(-far, config.image_downsample, return_indices=True)
    size = nearest.shape[2:]
    nearest, place = -nearest.flatten(2), place.flatten(2)
    hit = nearest.isfinite()
    points = torch.stack([place % width, place // width, torch.where(hit, nearest, 1.0)], dim=2)
    points = pixels_in_ego(points, matrices).transpose(2, 3)
    grid = config.grid
    lower, step = points.new_tensor(grid.lower), points.new_tensor(grid.voxel_size)
    index = ((points - lower) / step).floor().long()
    shape = torch.tensor(grid.shape, device=index.device)
    hit &= ((index >= 0) & (index < shape)).all(dim=-1)
    x, y, z = torch.where(hit[..., None], index, 0).unbind(dim=-1)
    sample = torch.arange(batch, device=index.device)[:, None, None]
    classes = labels[sample, x, y, z]
    classes = torch.where(hit & (classes != free), classes, IGNORE)
    return classes.view(batch * cameras, *size)
