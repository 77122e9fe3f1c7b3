# SPDX-License-Identifier: Apache-2.0
"""True occupancy: the voxels that the street's surfaces pass through.

Labels are as in Occ3D (X. Tian et al., NeurIPS 2023): semantics in the ego frame at the key LiDAR
time. Where still surfaces of several classes pass a voxel, it gets the class that most of the
scene's LiDAR returns in it have. Where there are none, or something that moves is in it now, it
gets the class with the largest area.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.geometry import OCC3D_GRID, VoxelGrid, inverse_rigid
from effocc_ros.simulation.classes import OTHER_FLAT, SIDEWALK, TERRAIN
from effocc_ros.simulation.placing import Footprint
from effocc_ros.simulation.raycast import Surface
from effocc_ros.simulation.samples import Samples, sample_surface
from effocc_ros.simulation.survey import Returns

TILE = 20.0
"""Edge in metres of the tiles by which a street's samples are found."""

VOTE = 1000.0
"""Weight of a LiDAR return in square metres."""


class TrueOccupancy:
    """Labels a voxel grid around the car.

    Args:
        static: What never moves.
        path: (K, 4, 4) poses of the car in the map near which the labels will be asked for.
        footprints: Houses; the ground under them belongs to nobody.
        grid: The voxels, in the ego frame.
    """

    def __init__(
        self,
        static: Surface,
        path: NDArray,
        footprints: Sequence[Footprint] = (),
        grid: VoxelGrid = OCC3D_GRID,
    ):
        self.grid = grid
        samples = sample_surface(static, _near(static, path, grid))
        samples = _without_cellars(samples, footprints)
        tile = np.floor(samples.points[:2].T / TILE).astype(np.int64)
        order = np.lexsort((tile[:, 1], tile[:, 0]))
        tile = tile[order]
        self._samples = _take(samples, order)
        starts = np.flatnonzero(np.any(np.diff(tile, axis=0, prepend=tile[:1] - 1), axis=1))
        self._starts = np.append(starts, len(tile))
        self._middle = (tile[starts] + 0.5) * TILE
        self._agents: dict[int, Samples] = {}

    def labels(
        self, ego2map: NDArray, placed: Sequence[tuple[Surface, NDArray]], returns: Returns
    ) -> NDArray[np.uint8]:
        """Label every voxel.

        Args:
            ego2map: (4, 4) pose of the car.
            placed: Agents as (surface, (4, 4) pose in the map).
            returns: LiDAR returns from what stands still, in the ego frame.

        Returns:
            (X, Y, Z) uint8 classes of Occ3D, 17 where nothing is.
        """
        map2ego = inverse_rigid(ego2map)
        reach = np.hypot(*self.grid.upper[:2]) + TILE
        near = np.hypot(*(self._middle - ego2map[:2, 3]).T) < reach
        tiles = zip(self._starts[:-1][near], self._starts[1:][near], strict=True)
        still = [self._voxels(_take(self._samples, slice(a, b)), map2ego) for a, b in tiles]
        moving = [
            self._voxels(self._samples_of(surface), map2ego @ pose)
            for surface, pose in placed
            if np.hypot(*(pose[:2, 3] - ego2map[:2, 3])) < reach
        ]
        # What came back at other times says nothing of a voxel that something is in now.
        taken = np.zeros(int(np.prod(self.grid.shape)), bool)
        for voxel, _, _ in moving:
            taken[voxel] = True
        index, inside = self.grid.index(returns.points)
        votes = np.ravel_multi_index(tuple(index[inside].T), self.grid.shape)
        free = ~taken[votes]
        voxel, label, weight = (
            np.concatenate(parts) for parts in zip(*still, *moving, strict=True)
        )
        return _heaviest(
            voxel, label, weight, votes[free], returns.label[inside][free], self.grid.shape
        )

    def _samples_of(self, surface: Surface) -> Samples:
        if id(surface) not in self._agents:
            self._agents[id(surface)] = sample_surface(surface, np.ones(len(surface.mesh), bool))
        return self._agents[id(surface)]

    def _voxels(self, samples: Samples, transform: NDArray):
        scale = 1.0 / np.asarray(self.grid.voxel_size)
        rotation = (transform[:3, :3] * scale[:, None]).astype(np.float32)
        offset = ((transform[:3, 3] - self.grid.lower) * scale).astype(np.float32)
        moved = rotation @ samples.points
        moved += offset[:, None]
        inside = np.ones(moved.shape[1], bool)
        for row, size in zip(moved, self.grid.shape, strict=True):
            inside &= (row >= 0) & (row < size)
        x, y, z = moved[:, inside].astype(np.int32)
        flat = (x * self.grid.shape[1] + y) * self.grid.shape[2] + z
        return flat, samples.label[inside], samples.weight[inside]


def _near(static: Surface, path: NDArray, grid: VoxelGrid) -> NDArray[np.bool_]:
    """Tell which triangles (F,) can lie in a grid around one of the poses or close to it."""
    corners = static.mesh.vertices
    middle = corners.mean(axis=1).T
    lowest, highest = corners[..., 2].min(axis=1), corners[..., 2].max(axis=1)
    reach, near = np.hypot(*grid.upper[:2]) + 4.0, np.zeros(len(corners), bool)
    for pose in np.asarray(path, np.float32):
        x, y = middle[0] - pose[0, 3], middle[1] - pose[1, 3]
        # Height of the middle over the plane that the car stands on.
        plane = pose[2, 3] - (pose[0, 2] * x + pose[1, 2] * y) / pose[2, 2]
        near |= (
            (x * x + y * y < reach**2)
            & (lowest - plane < grid.upper[2] + 0.6)
            & (highest - plane > grid.lower[2] - 0.6)
        )
    return near


def _without_cellars(samples: Samples, footprints: Sequence[Footprint]) -> Samples:
    """Leave out the ground under houses."""
    ground = np.flatnonzero(np.isin(samples.label, (OTHER_FLAT, SIDEWALK, TERRAIN)))
    places = samples.points[:2, ground].T
    hidden = np.zeros(len(ground), bool)
    for footprint in footprints:
        hidden |= footprint.covers(places)
    keep = np.ones(len(samples.label), bool)
    keep[ground[hidden]] = False
    return _take(samples, keep)


def _take(samples: Samples, index: NDArray | slice) -> Samples:
    return Samples(samples.points[:, index], samples.label[index], samples.weight[index])


def _heaviest(voxel, label, weight, votes, voted, shape) -> NDArray[np.uint8]:
    """Give each voxel the label of the greatest total weight, the lowest one at a tie.

    Args:
        voxel: (N,) flat voxels of samples.
        label: (N,) their classes.
        weight: (N,) their areas in square metres.
        votes: (M,) flat voxels of LiDAR returns, each heavier than all the area in a voxel.
        voted: (M,) their classes.
        shape: Number of voxels along x, y, z.
    """
    count, classes = int(np.prod(shape)), OCC3D_NUSCENES.free
    result = np.full(count, classes, np.uint8)
    result[voxel] = label
    mixed = np.zeros(count, bool)
    mixed[voxel[result[voxel] != label]] = True
    number = np.cumsum(mixed) - 1
    chosen = mixed[voxel]
    key = number[voxel[chosen]] * classes + label[chosen]
    total = np.bincount(key, weight[chosen], minlength=int(mixed.sum()) * classes)
    chosen = mixed[votes]
    key = number[votes[chosen]] * classes + voted[chosen]
    total += VOTE * np.bincount(key, minlength=len(total))
    result[mixed] = total.reshape(-1, classes).argmax(axis=1)
    return result.reshape(shape)
