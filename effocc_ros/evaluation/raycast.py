# SPDX-License-Identifier: Apache-2.0
"""Rays through two voxel grids at once: where each first meets something.

The geometry of RayIoU (Liu et al., "Fully sparse 3D occupancy prediction", 2024): a simulated
LiDAR in the grids, and the traversal of Amanatides and Woo, "A fast voxel traversal algorithm for
ray tracing", 1987, with all rays stepping together.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.geometry import VoxelGrid, inverse_rigid

FIRST, SECOND, BORDER = 1, 2, 4
_COMPACT_EVERY = 6
_NEVER = 1e30


def lidar_directions() -> NDArray[np.float32]:
    """(14040, 3) unit vectors: 39 elevations from -45 degrees to 0.21 rad, every degree around.

    The lowest ten elevations meet a plane one metre below at 1, 2, ... 10 m; the last spacing is
    then kept up to the top of the nuScenes LiDAR's view.
    """
    pitches = [-(np.pi / 2 - np.arctan(step)) for step in range(1, 11)]
    while pitches[-1] < 0.21:
        pitches.append(2 * pitches[-1] - pitches[-2])
    pitch, azimuth = np.meshgrid(pitches, np.deg2rad(np.arange(360)), indexing="ij")
    directions = np.stack(
        [np.cos(pitch) * np.cos(azimuth), np.cos(pitch) * np.sin(azimuth), np.sin(pitch)], axis=-1
    )
    return directions.reshape(-1, 3).astype(np.float32)


def scene_origins(
    lidar2global: NDArray[np.float64],
    ego2global: NDArray[np.float64],
    reach: float = 39.0,
    count: int = 8,
) -> NDArray[np.float64]:
    """Choose where a frame's rays start: LiDAR places of the scene that are near the vehicle.

    Args:
        lidar2global: (K, 4, 4) LiDAR poses at all key frames of the scene.
        ego2global: (4, 4) ego pose of the frame that is scored.
        reach: Places with |x| or |y| of this many metres or more are left out.
        count: If more are left, so many are taken, evenly.

    Returns:
        (T, 3) metres in the ego frame of the frame that is scored.
    """
    places = (inverse_rigid(ego2global) @ np.asarray(lidar2global))[:, :3, 3]
    places = places[(np.abs(places[:, :2]) < reach).all(axis=1)]
    if len(places) > count:
        places = places[np.round(np.linspace(0, len(places) - 1, count)).astype(int)]
    return places


@dataclass(frozen=True)
class Hits:
    """Where rays end in a grid.

    Attributes:
        voxel: (R,) flat index (C order) of the first occupied voxel, or of the last one before
            the border; -1 for a ray that never enters the grid.
        depth: (R,) float32 metres from the origin to where the ray leaves that voxel; 0 for a
            ray that never enters.
    """

    voxel: NDArray[np.int64]
    depth: NDArray[np.float32]


def cast(
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
    grid: VoxelGrid,
    origin: NDArray[np.float64],
    directions: NDArray[np.float32],
) -> tuple[Hits, Hits]:
    """Follow rays through two grids of the same shape.

    Both are traversed in one go, as the path of a ray does not depend on what it meets.

    Args:
        first: (X, Y, Z) occupied voxels.
        second: The same of the other grid.
        grid: Place and size of both; its voxels are cubes.
        origin: (3,) metres.
        directions: (R, 3) unit vectors.

    Returns:
        Where the rays end in the first and in the second grid.
    """
    # A border around the grid tells a ray that it is out, without looking at its coordinates.
    solid = first * np.uint8(FIRST) | second * np.uint8(SECOND)
    cells = np.pad(solid, 1, constant_values=np.uint8(BORDER))
    numbers, cell, leaves, spacing, strides = _start(grid, origin, directions, cells.shape)
    wanted = np.full(len(numbers), FIRST | SECOND, np.uint8)
    ends = np.full((2, len(directions)), -1, np.int64)
    depths = np.zeros((2, len(directions)))
    flat = cells.ravel()
    here = flat[cell]
    step = 0
    while len(numbers):
        depth, following = _advance(cell, leaves, spacing, strides)
        there = flat[following]
        ended = np.where(there & BORDER, wanted, here & wanted)
        if ended.any():
            for place, bit in enumerate((FIRST, SECOND)):
                these = np.flatnonzero(ended & bit)
                ends[place, numbers[these]] = cell[these]
                depths[place, numbers[these]] = depth[these]
            wanted &= ~ended
            # A ray that has met all stands still until it is taken out.
            strides[:, wanted == 0] = 0
            following = np.where(wanted == 0, cell, following)
        cell, here = following, there
        step += 1
        if step % _COMPACT_EVERY == 0:
            kept = np.flatnonzero(wanted)
            numbers, cell, here, wanted = numbers[kept], cell[kept], here[kept], wanted[kept]
            leaves, spacing, strides = leaves[:, kept], spacing[:, kept], strides[:, kept]
    return tuple(
        Hits(_without_border(voxel, cells.shape), np.float32(grid.voxel_size[0]) * distance)
        for voxel, distance in zip(ends, depths.astype(np.float32), strict=True)
    )


def _start(
    grid: VoxelGrid, origin: NDArray, directions: NDArray, padded: tuple[int, int, int]
) -> tuple[NDArray, ...]:
    """Where rays begin.

    Returns:
        Of the rays that enter the grid: number (n,); first cell (n,), flat in the padded grid;
        distance (3, n) at which the ray next crosses a face of each axis, and distance between
        such faces, in voxels; step (3, n) of the flat cell along each axis.
    """
    size = np.float64(np.float32(grid.voxel_size[0]))
    # Rounded to float32 as the benchmark's code does, so that rays meet the same voxels.
    start = ((np.asarray(origin, np.float64) - grid.lower) / size).astype(np.float32)
    end = (np.asarray(origin, np.float64) + directions - grid.lower) / size
    along = end.astype(np.float32).astype(np.float64) - start.astype(np.float64)
    along = along.T / np.linalg.norm(along, axis=1)
    start = start.astype(np.float64)[:, None]
    forward = along >= 0
    # Parallel to an axis, a ray never crosses its faces.
    inverse = np.divide(1.0, along, out=np.full_like(along, _NEVER), where=along != 0)
    index = np.broadcast_to(np.floor(start), along.shape)
    extent = np.array(grid.shape)[:, None]
    numbers = np.arange(along.shape[1])
    if (index < 0).any() or (index >= extent).any():
        index, enters = _entry(start, along, inverse, extent)
        numbers = np.flatnonzero(enters)
        index, along, inverse, forward = (
            array[:, enters] for array in (index, along, inverse, forward)
        )
    leaves = np.where(along != 0, (index + forward - start) * inverse, _NEVER)
    flat_steps = np.array([padded[1] * padded[2], padded[2], 1])[:, None]
    cell = ((index + 1).astype(np.int64) * flat_steps).sum(axis=0)
    return numbers, cell, leaves, np.abs(inverse), np.where(forward, flat_steps, -flat_steps)


def _entry(
    start: NDArray, along: NDArray, inverse: NDArray, extent: NDArray
) -> tuple[NDArray, NDArray[np.bool_]]:
    """First cell (3, R) of rays that come from outside, and which rays (R,) enter at all."""
    faces = np.stack([-start * inverse, (extent - start) * inverse])
    beside = (along == 0) & ((start < 0) | (start >= extent))
    near = np.where(along == 0, -_NEVER, faces.min(axis=0))
    far = np.where(along == 0, _NEVER, faces.max(axis=0))
    entry = np.maximum(near.max(axis=0), 0.0)
    enters = (entry < far.min(axis=0)) & ~beside.any(axis=0)
    # On the axis of entry the place is a face; half a cell along the ray is within the cell.
    place = start + along * entry
    index = np.floor(place)
    axis = near.argmax(axis=0)
    rays = np.arange(along.shape[1])
    index[axis, rays] = np.where(along[axis, rays] >= 0, 0, extent[axis, 0] - 1)
    return np.clip(index, 0, extent - 1), enters


def _advance(
    cell: NDArray, leaves: NDArray, spacing: NDArray, strides: NDArray
) -> tuple[NDArray, NDArray]:
    """Move every ray to its next cell; returns where it left this one, and the next cell."""
    x, y, z = leaves
    x_before_y = x < y
    nearest = np.minimum(x, y)
    by_z = z <= nearest
    by_x = x_before_y & ~by_z
    by_y = ~(x_before_y | by_z)
    depth = np.minimum(nearest, z)
    following = cell + np.where(by_z, strides[2], np.where(by_x, strides[0], strides[1]))
    for axis, crossed in enumerate((by_x, by_y, by_z)):
        leaves[axis] += spacing[axis] * crossed
    return depth, following


def _without_border(cell: NDArray, padded: tuple[int, int, int]) -> NDArray[np.int64]:
    """Flat cells of the padded grid to flat cells of the grid; -1 stays."""
    _, height, depth = padded
    x, rest = np.divmod(cell, height * depth)
    y, z = np.divmod(rest, depth)
    flat = ((x - 1) * (height - 2) + y - 1) * (depth - 2) + z - 1
    return np.where(cell < 0, -1, flat)
