"""True occupancy: the voxels that the street's surfaces pass through.

Labels are as in Occ3D (X. Tian et al., NeurIPS 2023): semantics in the ego frame at the key LiDAR
time. A voxel gets the class with the largest area in it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from effocc_ros.geometry import OCC3D_GRID, VoxelGrid, inverse_rigid
from effocc_ros.occupancy import OCC3D_NUSCENES
from effocc_ros.simulation.raycast import Surface
from effocc_ros.simulation.samples import Samples, sample_surface

TILE = 20.0
"""Edge in metres of the tiles by which a street's samples are found."""


class TrueOccupancy:
    """Labels a voxel grid around the car.

    Args:
        static: What never moves.
        grid: The voxels, in the ego frame.
    """

    def __init__(self, static: Surface, grid: VoxelGrid = OCC3D_GRID):
        self.grid = grid
        samples = sample_surface(static, grid.upper[2] + 0.5)
        tile = np.floor(samples.points[:, :2] / TILE).astype(np.int64)
        order = np.lexsort((tile[:, 1], tile[:, 0]))
        tile = tile[order]
        self._samples = Samples(*(part[order] for part in vars(samples).values()))
        starts = np.flatnonzero(np.any(np.diff(tile, axis=0, prepend=tile[:1] - 1), axis=1))
        self._starts = np.append(starts, len(tile))
        self._middle = (tile[starts] + 0.5) * TILE
        self._agents: dict[int, Samples] = {}

    def labels(
        self, ego2map: NDArray, placed: Sequence[tuple[Surface, NDArray]]
    ) -> NDArray[np.uint8]:
        """Label every voxel.

        Args:
            ego2map: (4, 4) pose of the car.
            placed: Agents as (surface, (4, 4) pose in the map).

        Returns:
            (X, Y, Z) uint8 classes of Occ3D, 17 where nothing is.
        """
        map2ego = inverse_rigid(ego2map)
        reach = np.hypot(*self.grid.upper[:2]) + TILE
        near = np.hypot(*(self._middle - ego2map[:2, 3]).T) < reach
        pick = np.concatenate(
            [np.arange(a, b) for a, b in zip(self._starts[:-1][near], self._starts[1:][near], strict=True)]
        )
        groups = [(Samples(*(part[pick] for part in vars(self._samples).values())), map2ego)]
        for surface, pose in placed:
            if np.hypot(*(pose[:2, 3] - ego2map[:2, 3])) < reach:
                groups.append((self._samples_of(surface), map2ego @ pose))
        voxel, label, weight = (
            np.concatenate(parts)
            for parts in zip(*(self._voxels(*group) for group in groups), strict=True)
        )
        return _heaviest(voxel, label, weight, self.grid.shape)

    def _samples_of(self, surface: Surface) -> Samples:
        if id(surface) not in self._agents:
            self._agents[id(surface)] = sample_surface(surface, np.inf)
        return self._agents[id(surface)]

    def _voxels(self, samples: Samples, transform: NDArray):
        moved = samples.points @ transform[:3, :3].T.astype(np.float32)
        moved += transform[:3, 3].astype(np.float32) - np.float32(self.grid.lower)
        moved /= np.float32(self.grid.voxel_size)
        index = np.floor(moved).astype(np.int32)
        inside = np.all((index >= 0) & (index < self.grid.shape), axis=1)
        flat = np.ravel_multi_index(index[inside].T, self.grid.shape)
        return flat, samples.label[inside], samples.weight[inside]


def _heaviest(voxel, label, weight, shape) -> NDArray[np.uint8]:
    """Give each voxel the label of the greatest total weight; the first one wins a tie."""
    count = int(np.prod(shape))
    result = np.full(count, OCC3D_NUSCENES.free, np.uint8)
    best = np.zeros(count)
    for number in range(OCC3D_NUSCENES.free):
        chosen = label == number
        if chosen.any():
            total = np.bincount(voxel[chosen], weight[chosen], minlength=count)
            better = total > best
            result[better] = number
            best[better] = total[better]
    return result.reshape(shape)
