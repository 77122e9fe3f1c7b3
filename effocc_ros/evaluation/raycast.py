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
        voxel: (R,) flat index of the first occupied voxel, or of the last one before the border.
        depth: (R,) float32 metres from the origin to where the ray leaves that voxel.
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
        grid: Place and size of both.
        origin: (3,) metres, inside the grid.
        directions: (R, 3) unit vectors.

    Returns:
        Where the rays end in the first and in the second grid.
    """
    # A border around the grid tells a ray that it is out, without looking at its coordinates.
    cells = np.pad(first * np.uint8(FIRST) | second * np.uint8(SECOND), 1, constant_values=BORDER)
    strides = np.array([cells.shape[1] * cells.shape[2], cells.shape[2], 1])
    rays = _Rays.start(grid, np.asarray(origin), directions, strides)
    voxel = np.zeros((2, len(directions)), np.int64)
    depth = np.zeros((2, len(directions)))
    flat_cells, step = cells.ravel(), 0
    while len(rays.number):
        met = flat_cells[rays.cell]
        left = rays.advance()
        ended = np.flatnonzero(met & rays.wanted)
        for bit, place in ((FIRST, 0), (SECOND, 1)):
            these = ended[(met[ended] & rays.wanted[ended] & bit) > 0]
            number = rays.number[these]
            voxel[place, number] = left.cell[these]
            depth[place, number] = left.depth[these]
        rays.wanted[ended] &= ~met[ended]
        out = np.flatnonzero(flat_cells[rays.cell] & BORDER)
        for bit, place in ((FIRST, 0), (SECOND, 1)):
            these = out[(rays.wanted[out] & bit) > 0]
            number = rays.number[these]
            voxel[place, number] = left.cell[these]
            depth[place, number] = left.depth[these]
        rays.wanted[out] = 0
        step += 1
        if step % _COMPACT_EVERY == 0:
            rays.keep(rays.wanted > 0)
    return None
