# SPDX-License-Identifier: Apache-2.0
"""What the LiDAR saw over a whole drive of the things that stand still.

Occ3D (X. Tian et al., NeurIPS 2023, section 3.3) gathers the sweeps of a scene: their returns
vote for the classes of voxels, and say which of the occupied voxels were observed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.geometry import inverse_rigid, transform_points

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

    Args:
        sweeps: The returns of each sweep, in the map.
    """

    def __init__(self, sweeps: Sequence[Returns]):
        self._points = np.concatenate([returns.points for returns in sweeps])
        self._label = np.concatenate([returns.label for returns in sweeps])

    def returns(self, ego2map: NDArray) -> Returns:
        """Gather the returns of all sweeps around the car, in the ego frame.

        Args:
            ego2map: (4, 4) pose of the car.
        """
        near = np.abs(self._points[:, :2] - ego2map[:2, 3]).max(axis=1) < REACH
        points = transform_points(inverse_rigid(ego2map), self._points[near])
        return Returns(points, self._label[near])
