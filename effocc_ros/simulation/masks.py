# SPDX-License-Identifier: Apache-2.0
"""What the sensors observed: the visibility masks of Occ3D, by ray casting through voxels.

After Occ3D (X. Tian et al., NeurIPS 2023, section 3.3.2). The LiDAR observed an occupied voxel
when a return of the drive lies in it, and a free one when a ray of the key sweep passed it: free
voxels of recorded labels are as few as one sweep makes them. A camera observed what the LiDAR did
and what lies on a line from the camera to a surface in its picture.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from effocc_ros.geometry import VoxelGrid

_NEVER = 1e30
"""Share of a segment's way that none travels."""

_BLOCK = 1 << 15
"""Segments followed at once: their arrays fit into the processor's cache."""


def traverse(grid: VoxelGrid, origins: NDArray, ends: NDArray) -> NDArray[np.bool_]:
    """Mark the voxels that line segments pass.

    J. Amanatides and A. Woo, "A fast voxel traversal algorithm for ray tracing", 1987, for all
    segments at once.

    Args:
        grid: The voxels.
        origins: (N, 3) metres; a segment that starts outside of the grid marks nothing.
        ends: (N, 3) metres, inside or outside of the grid.

    Returns:
        (X, Y, Z) true for the voxels passed.
    """
    start = ((np.asarray(origins, np.float64) - grid.lower) / grid.voxel_size).T
    way = ((np.asarray(ends, np.float64) - grid.lower) / grid.voxel_size).T - start
    total = int(np.prod(grid.shape))
    seen = np.zeros(total + 1, bool)  # the last one takes the marks of finished segments
    for first in range(0, way.shape[1], _BLOCK):
        block = slice(first, first + _BLOCK)
        _traverse(grid.shape, start[:, block], way[:, block], seen)
    return seen[:total].reshape(grid.shape)


def _traverse(
    shape: tuple[int, int, int],
    start: NDArray,
    way: NDArray,
    seen: NDArray[np.bool_],
) -> None:
    """Mark in ``seen`` what segments pass, given by start and way (3, N) in voxels."""
    size = np.asarray(shape)[:, None]
    index = np.floor(start).astype(np.int64)
    moves = way != 0
    stride = 1.0 / np.where(moves, np.abs(way), 1.0 / _NEVER)  # share of the way through a voxel
    wall = np.where(way > 0, index + 1 - start, start - index) * stride
    leaves = np.where(way > 0, size - start, start) * stride
    wall, leaves = (np.where(moves, part, _NEVER) for part in (wall, leaves))
    last = np.minimum(leaves.min(axis=0) - 1e-9, 1.0)  # rounding must not lead out of the grid
    weights = np.array([shape[1] * shape[2], shape[2], 1])[:, None]
    step, flat = np.sign(way).astype(np.int64) * weights, (index * weights).sum(axis=0)
    alive = np.all((index >= 0) & (index < size), axis=0)
    while alive.any():
        if np.count_nonzero(alive) < 0.8 * len(alive):
            wall, stride, step = (part[:, alive] for part in (wall, stride, step))
            last, flat = last[alive], flat[alive]
        else:
            flat[~alive], last[~alive] = len(seen) - 1, -1.0
        seen[flat] = True
        nearest = np.minimum(np.minimum(wall[0], wall[1]), wall[2])
        alive = nearest < last
        along_x = wall[0] == nearest
        along_y = (wall[1] == nearest) & ~along_x
        for axis, crosses in enumerate((along_x, along_y, ~(along_x | along_y))):
            flat += step[axis] * crosses
            wall[axis] += stride[axis] * crosses


def mark(grid: VoxelGrid, points: NDArray) -> NDArray[np.bool_]:
    """Mark the voxels (X, Y, Z) that hold points (N, 3)."""
    index, inside = grid.index(points)
    marked = np.zeros(grid.shape, bool)
    marked[tuple(index[inside].T)] = True
    return marked


def one_per_voxel(grid: VoxelGrid, points: NDArray) -> NDArray:
    """Keep one of the points (N, 3) in each voxel, inside and outside of the grid."""
    voxel = np.floor((points - grid.lower) / grid.voxel_size).astype(np.int64)
    voxel -= voxel.min(axis=0, initial=0)
    key = (voxel[:, 0] << 40) + (voxel[:, 1] << 20) + voxel[:, 2]
    return points[np.unique(key, return_index=True)[1]]


def camera_mask(
    grid: VoxelGrid,
    seen: Iterable[tuple[NDArray, NDArray]],
    lidar_observed: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Mark what the cameras observed.

    Lines end at the surfaces themselves, not at the first occupied voxel: on a slope, the voxels
    of a road are steps that would hide each other from a camera that sees all of it.

    Args:
        grid: The voxels, in the ego frame.
        seen: For each camera its place (3,) and the places (N, 3) that its pixels see.
        lidar_observed: (X, Y, Z) what the LiDAR observed.
    """
    observed = np.zeros(grid.shape, bool)
    for place, points in seen:
        ends = one_per_voxel(grid, points)
        observed |= traverse(grid, np.broadcast_to(place, ends.shape), ends)
    return observed & lidar_observed
