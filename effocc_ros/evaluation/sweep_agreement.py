# SPDX-License-Identifier: Apache-2.0
"""Does an occupancy agree with the LiDAR sweep of its own moment? No labels are needed.

Where a pulse came back something is; what it passed on its way there is free.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.frame import Frame
from effocc_ros.geometry import inverse_rigid, transform_points
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.simulation.masks import mark, traverse

CLOSE_METRES = 1.0
"""Returns nearer than this to the LiDAR, in x and in y, are the vehicle itself."""


@dataclass(frozen=True)
class Agreement:
    """Counts of one or more frames; they add up.

    Attributes:
        returns: Returns of the reference sweep inside the grid.
        returns_occupied: Those of them that lie in voxels called occupied.
        passed: Voxels that a pulse passed and that hold no return.
        passed_occupied: Those of them that are called occupied.
    """

    returns: int = 0
    returns_occupied: int = 0
    passed: int = 0
    passed_occupied: int = 0

    def __add__(self, other: "Agreement") -> "Agreement":
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Agreement(*(one + another for one, another in pairs))

    @property
    def hit_share(self) -> float:
        """Share of the returns that lie in voxels called occupied; NaN without returns."""
        return self.returns_occupied / self.returns if self.returns else float("nan")

    @property
    def false_share(self) -> float:
        """Share of the passed voxels that are called occupied; NaN where none was passed."""
        return self.passed_occupied / self.passed if self.passed else float("nan")


def sweep_agreement(
    occupancy: SemanticOccupancy, frame: Frame, in_lidar_frame: bool = False
) -> Agreement:
    """Compare an occupancy with the reference sweep of a Frame.

    A pulse that grazes the road passes voxels that hold a part of the road but no return, so the
    share of passed voxels that are called occupied is not 0 for true labels either.

    Args:
        occupancy: What is said to be where.
        frame: Has a cloud; points of earlier sweeps (lag above 0) are left out.
        in_lidar_frame: True when the grid stands in the LiDAR's frame, not in the ego frame.
    """
    returns, origin = reference_returns(frame, in_lidar_frame)
    grid, occupied = occupancy.grid, occupancy.occupied
    index, inside = grid.index(returns)
    hits = occupied[tuple(index[inside].T)]
    passed = traverse(grid, np.broadcast_to(origin, returns.shape), returns)
    passed &= ~mark(grid, returns)
    return Agreement(
        int(inside.sum()), int(hits.sum()), int(passed.sum()), int((passed & occupied).sum())
    )


def reference_returns(
    frame: Frame, in_lidar_frame: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the returns (N, 3) of a Frame's reference sweep and where the LiDAR is (3,).

    Returns from the vehicle itself are left out, and copies: a Frame without earlier sweeps may
    hold its own sweep several times.
    """
    points = frame.cloud.points[frame.cloud.points[:, 4] == 0, :3].astype(np.float64)
    points = np.unique(points, axis=0)
    in_sensor = transform_points(inverse_rigid(frame.cloud.sensor2ego), points)
    away = (np.abs(in_sensor[:, :2]) >= CLOSE_METRES).any(axis=1)
    away &= np.isfinite(points).all(axis=1)
    if in_lidar_frame:
        return in_sensor[away], np.zeros(3)
    return points[away], frame.cloud.sensor2ego[:3, 3]
