# SPDX-License-Identifier: Apache-2.0
"""Points to voxels: the mean of the first points of each voxel."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from effocc_ros.geometry import VoxelGrid
from effocc_ros.networks.sparse_sites import Sites


@dataclass(frozen=True)
class Voxels:
    """Occupied voxels of a batch of clouds.

    Attributes:
        features: (M, F) float32 mean of the stored points of each voxel, in the order of sites.
        sites: Where the voxels are.
        points: (M,) int64 number of stored points.
    """

    features: Tensor
    sites: Sites
    points: Tensor


def voxelize(
    clouds: list[Tensor], grid: VoxelGrid, max_voxels: int = 120_000, max_points: int = 10
) -> Voxels:
    """Average the points of each voxel, as a scan through the points in their order would.

    The scan opens a voxel at its first point unless ``max_voxels`` are open already, and stores a
    point in its open voxel unless ``max_points`` are stored there (hard voxelisation of SECOND).
    Here a stable sort by voxel replaces the scan; the result is the same, bit by bit.

    Args:
        clouds: One (N, F) float32 per sample; x, y, z in metres come first. Points outside the
            grid and points that are not finite are left out.
        grid: The voxels. The sites get one empty layer more in z, as the networks expect.
        max_voxels: Voxels per cloud.
        max_points: Stored points per voxel.
    """
    width, height, depth = grid.shape
    empty = Sites.empty(len(clouds), (depth + 1, height, width), clouds[0].device)
    samples = [_voxelize_one(cloud, grid, empty, max_voxels, max_points) for cloud in clouds]
    keys = [keys + empty.keys_per_sample * i for i, (keys, _, _) in enumerate(samples)]
    return Voxels(
        features=torch.cat([features for _, features, _ in samples]),
        sites=Sites(torch.cat(keys), empty.batch, empty.shape),
        points=torch.cat([points for _, _, points in samples]),
    )


def _voxelize_one(
    cloud: Tensor, grid: VoxelGrid, layout: Sites, max_voxels: int, max_points: int
) -> tuple[Tensor, Tensor, Tensor]:
    """One cloud to sorted keys (M,), mean features (M, F) and stored points (M,)."""
    cell = (
        (cloud[:, :3] - cloud.new_tensor(grid.lower)) / cloud.new_tensor(grid.voxel_size)
    ).floor()
    inside = ((cell >= 0) & (cell < cell.new_tensor(grid.shape))).all(dim=1).nonzero().squeeze(1)
    x, y, z = cell[inside].long().unbind(dim=1)
    keys, order = layout.key(0, z, y, x).sort(stable=True)
    first = torch.ones_like(keys, dtype=torch.bool)
    first[1:] = keys[1:] != keys[:-1]
    starts = first.nonzero().squeeze(1)
    voxel = first.cumsum(0) - 1
    rank = torch.arange(len(keys), device=keys.device) - starts[voxel]
    stored = rank < max_points
    if len(starts) > max_voxels:
        # order[starts] says when the scan would have opened each voxel.
        opened = order[starts].argsort()[:max_voxels]
        kept = torch.zeros_like(starts, dtype=torch.bool)
        kept[opened] = True
        stored &= kept[voxel]
    count = torch.bincount(voxel[stored], minlength=len(starts))
    kept = count > 0
    count = count[kept]
    offsets = count.cumsum(0) - count
    total = functional.embedding_bag(inside[order[stored]], cloud, offsets, mode="sum")
    return keys[starts[kept]], total / count[:, None], count
