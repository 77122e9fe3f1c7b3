# SPDX-License-Identifier: Apache-2.0
"""Points to voxels in tensors whose sizes do not depend on the points."""

import torch
from torch import Tensor
from torch.nn import functional

from effocc_ros.geometry import VoxelGrid
from effocc_ros.networks.bags import with_rest
from effocc_ros.networks.constants import constant
from effocc_ros.networks.sparse_sites import Sites
from effocc_ros.networks.static_sites import ABSENT, StaticSites


def static_voxels(
    cloud: Tensor, grid: VoxelGrid, max_voxels: int, max_points: int
) -> tuple[Tensor, StaticSites]:
    """Average the points of each voxel, as :func:`~effocc_ros.networks.voxelize.voxelize` does.

    Args:
        cloud: (N, F) float32; x, y, z in metres come first. Points outside of the grid and points
            that are not finite are left out, so that NaN may fill up a cloud.
        grid: The voxels.
        max_voxels: Voxels kept; those that are opened first.
        max_points: Points stored in a voxel; the first ones.

    Returns:
        (capacity, F) mean of the stored points, and the sites, in capacity many rows: as many as
        there are points, up to ``max_voxels``.
    """
    count, capacity = len(cloud), min(len(cloud), max_voxels)
    keys, order = _keys(cloud, grid).sort(stable=True)
    first = (keys != torch.cat([keys.new_full((1,), -1), keys[:-1]])) & (keys != ABSENT)
    number = torch.arange(count, device=cloud.device)
    start = torch.where(first, number, 0).cummax(0)[0]
    stored = (number - start < max_points) & (keys != ABSENT)
    if count > max_voxels:
        # The scan opens a voxel at its first point; of those openings the earliest ones count.
        opened = torch.where(first, order, count)
        early = opened <= opened.sort()[0][max_voxels - 1]
        first = first & early
        stored &= early[start]
    # Rows behind the last one take all that is not wanted.
    row = torch.where(first, first.cumsum(0) - 1, capacity + 1)
    kept = keys.new_full((capacity + 2,), ABSENT).scatter_(0, row, keys)[:capacity]
    before = stored.cumsum(0)
    points = torch.zeros(count + 1, dtype=torch.int64, device=cloud.device)
    points = points.scatter_(0, torch.where(stored, before - 1, count), order)[:count]
    starts = before[-1:].repeat(capacity + 2).scatter_(0, row, before - 1)[:capacity]
    bags = with_rest(starts, before[-1:], count)
    total = functional.embedding_bag(points, cloud, bags, mode="sum")[:capacity]
    mean = total / bags[: capacity + 1].diff().clamp(min=1)[:, None]
    width, height, depth = grid.shape
    return mean, StaticSites(kept, (depth + 1, height, width))


def _keys(cloud: Tensor, grid: VoxelGrid) -> Tensor:
    """(N, F) points to the key of each one's voxel, ABSENT outside of the grid."""
    place = cloud[:, :3]
    cell = ((place - constant(grid.lower, place)) / constant(grid.voxel_size, place)).floor()
    inside = ((cell >= 0) & (cell < constant(grid.shape, place))).all(dim=1)
    x, y, z = torch.where(inside[:, None], cell, 0).long().unbind(dim=1)
    width, height, depth = grid.shape
    keys = Sites(z, 1, (depth + 1, height, width)).key(0, z, y, x)
    return torch.where(inside, keys, ABSENT)
