"""What the sensors observed: the visibility masks of Occ3D, by ray casting through voxels.

Occ3D (X. Tian et al., NeurIPS 2023, section 3.3.2): a voxel is observed by the LiDAR when a ray
ends in it or passes it on its way; it is observed by a camera when it lies before or at the first
occupied voxel on a line from the camera to an occupied voxel in its picture. What the LiDAR did
not observe has no label that a camera could be asked for.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from effocc_ros.geometry import VoxelGrid, inverse_rigid
from effocc_ros.simulation.rig import CameraMount

_NEVER = 1e30
"""Share of a segment's way that none travels."""

_BLOCK = 1 << 15
"""Segments followed at once: their arrays fit into the processor's cache."""


def traverse(
    grid: VoxelGrid,
    origins: NDArray,
    ends: NDArray,
    blocked: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Mark the voxels that line segments pass.

    J. Amanatides and A. Woo, "A fast voxel traversal algorithm for ray tracing", 1987, for all
    segments at once.

    Args:
        grid: The voxels.
        origins: (N, 3) metres; a segment that starts outside of the grid marks nothing.
        ends: (N, 3) metres, inside or outside of the grid.
        blocked: (X, Y, Z) voxels at which a segment ends; they are marked too.

    Returns:
        (X, Y, Z) true for the voxels passed.
    """
    start = ((np.asarray(origins, np.float64) - grid.lower) / grid.voxel_size).T
    way = ((np.asarray(ends, np.float64) - grid.lower) / grid.voxel_size).T - start
    total = int(np.prod(grid.shape))
    seen = np.zeros(total + 1, bool)  # the last one takes the marks of finished segments
    stops = None if blocked is None else np.append(blocked.ravel(), False)
    for first in range(0, way.shape[1], _BLOCK):
        block = slice(first, first + _BLOCK)
        _traverse(grid.shape, start[:, block], way[:, block], seen, stops)
    return seen[:total].reshape(grid.shape)


def _traverse(
    shape: tuple[int, int, int],
    start: NDArray,
    way: NDArray,
    seen: NDArray[np.bool_],
    stops: NDArray[np.bool_] | None,
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
        if stops is not None:
            alive &= ~stops[flat]
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


def camera_mask(
    grid: VoxelGrid,
    occupied: NDArray[np.bool_],
    cameras: Iterable[CameraMount],
    lidar_observed: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Mark what the cameras observed.

    Args:
        grid: The voxels, in the ego frame.
        occupied: (X, Y, Z) true voxels.
        cameras: The cameras.
        lidar_observed: (X, Y, Z) what the LiDAR observed.
    """
    centers = grid.centers(np.argwhere(occupied))
    origins, ends = [], []
    for camera in cameras:
        ego2camera = inverse_rigid(camera.sensor2ego)
        x, y, z = ego2camera[:3, :3] @ centers.T + ego2camera[:3, 3:]
        height, width = camera.image_size
        ahead = np.maximum(z, 0.1)
        u = camera.intrinsics[0, 0] * x / ahead + camera.intrinsics[0, 2]
        v = camera.intrinsics[1, 1] * y / ahead + camera.intrinsics[1, 2]
        seen = (z > 0.1) & (u > -0.5) & (v > -0.5) & (u < width - 0.5) & (v < height - 0.5)
        ends.append(centers[seen])
        origins.append(np.broadcast_to(camera.sensor2ego[:3, 3], ends[-1].shape))
    passed = traverse(grid, np.concatenate(origins), np.concatenate(ends), blocked=occupied)
    return passed & lidar_observed
