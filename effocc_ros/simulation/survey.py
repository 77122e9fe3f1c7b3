"""What the LiDAR saw over a whole drive of the things that stand still.

Occ3D (X. Tian et al., NeurIPS 2023, section 3.3) gathers the sweeps of a scene: their returns
vote for the classes of voxels, and their rays say which voxels were observed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from effocc_ros.geometry import VoxelGrid, inverse_rigid, transform_points
from effocc_ros.simulation.masks import mark, one_per_voxel, traverse

CELL = 0.4
"""Edge in metres of the voxels in which a drive is surveyed."""

REACH = 58.0
"""Further than this from the car no voxel lies, metres."""


@dataclass(frozen=True)
class Returns:
    """LiDAR returns from things that stand still.

    Attributes:
        points: (N, 3) metres.
        label: (N,) uint8 class.
    """

    points: NDArray[np.float64]
    label: NDArray[np.uint8]


class Survey:
    """Sweeps of a drive, gathered in the map.

    Each of them is cast once at most, into voxels that are fixed in the map; a keyframe asks for
    the part around it.

    Args:
        sweeps: Place of the sensor (3,) and the returns, both in the map, for each sweep.
        height: Range of z in metres that matters.
    """

    def __init__(self, sweeps: Sequence[tuple[NDArray, Returns]], height: tuple[float, float]):
        places = np.array([origin for origin, _ in sweeps])
        low = np.floor(np.append(places.min(axis=0)[:2] - REACH, height[0]) / CELL) * CELL
        high = np.append(places.max(axis=0)[:2] + REACH, height[1])
        shape = tuple(int(k) for k in np.ceil((high - low) / CELL))
        self._grid = VoxelGrid(tuple(low), (CELL,) * 3, shape)
        self._sweeps = sweeps
        self._points = np.concatenate([returns.points for _, returns in sweeps])
        self._label = np.concatenate([returns.label for _, returns in sweeps])

    @cached_property
    def _passed(self) -> NDArray[np.bool_]:
        """Voxels of the map that rays passed."""
        passed = np.zeros(self._grid.shape, bool)
        for origin, returns in self._sweeps:
            ends = one_per_voxel(self._grid, returns.points)
            passed |= traverse(self._grid, np.broadcast_to(origin, ends.shape), ends)
        return passed

    def returns(self, ego2map: NDArray) -> Returns:
        """Gather the returns of all key sweeps around the car, in the ego frame.

        Args:
            ego2map: (4, 4) pose of the car.
        """
        near = np.abs(self._points[:, :2] - ego2map[:2, 3]).max(axis=1) < REACH
        points = transform_points(inverse_rigid(ego2map), self._points[near])
        return Returns(points, self._label[near])

    def observed(self, grid: VoxelGrid, ego2map: NDArray) -> NDArray[np.bool_]:
        """Mark the voxels (X, Y, Z) of a grid in the ego frame that were observed."""
        axes = ego2map[:3, :3] * grid.voxel_size / CELL
        first = (transform_points(ego2map, grid.centers([[0, 0, 0]]))[0] - self._grid.lower) / CELL
        x, y, z = np.ogrid[tuple(slice(count) for count in grid.shape)]
        index = [
            np.floor(first[k] + axes[k, 0] * x + axes[k, 1] * y + axes[k, 2] * z).astype(np.int32)
            for k in range(3)
        ]
        inside = np.ones(grid.shape, bool)
        for part, count in zip(index, self._grid.shape, strict=True):
            inside &= (part >= 0) & (part < count)
        seen = np.zeros(grid.shape, bool)
        seen[inside] = self._passed[tuple(part[inside] for part in index)]
        return seen | mark(grid, self.returns(ego2map).points)
