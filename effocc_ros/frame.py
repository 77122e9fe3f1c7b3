# SPDX-License-Identifier: Apache-2.0
"""The one currency between sensors, datasets and networks: a Frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NUSCENES_CAMERAS = (
    "CAM_FRONT_LEFT",
    "CAM_FRONT",
    "CAM_FRONT_RIGHT",
    "CAM_BACK_LEFT",
    "CAM_BACK",
    "CAM_BACK_RIGHT",
)
"""The six nuScenes cameras in the order in which EFFOcc stacks them."""


@dataclass(frozen=True)
class Camera:
    """One image and where it was taken from.

    Attributes:
        name: The camera's name in the model preset, for example ``CAM_FRONT``.
        image: (H, W, 3) uint8, RGB.
        intrinsics: (3, 3) float64 pinhole matrix in pixels of ``image``.
        sensor2ego: (4, 4) float64, optical frame (z forward) to ego frame.
        ego2global: (4, 4) float64, ego pose when this image was taken.
        stamp: Nanoseconds since the epoch.
    """

    name: str
    image: NDArray[np.uint8]
    intrinsics: NDArray[np.float64]
    sensor2ego: NDArray[np.float64]
    ego2global: NDArray[np.float64]
    stamp: int


@dataclass(frozen=True)
class PointCloud:
    """LiDAR points of the reference sweep and the sweeps before it.

    Attributes:
        points: (N, 5) float32: x, y, z in metres in the ego frame at the Frame's stamp,
            intensity 0..255, and the time lag behind the reference sweep in seconds (>= 0);
            for networks of Waymo the elongation in place of the lag.
            The reference sweep's points come first, then older sweeps, newest first: where a
            voxel overflows, the first points win.
        sensor2ego: (4, 4) float64, LiDAR frame to ego frame.
        name: The LiDAR's name.
        frame_id: tf frame of the LiDAR.
        others: Names of other LiDARs whose points are among them.
    """

    points: NDArray[np.float32]
    sensor2ego: NDArray[np.float64]
    name: str = "LIDAR_TOP"
    frame_id: str = "LIDAR_TOP"
    others: tuple[str, ...] = ()

    @property
    def lidars(self) -> tuple[str, ...]:
        """Names of all LiDARs that took part."""
        return (self.name, *self.others)


@dataclass(frozen=True)
class Frame:
    """Everything known about one moment, ready for a network.

    Attributes:
        stamp: Stamp of the reference sensor (LiDAR or anchor camera), nanoseconds since the epoch.
        frame_id: Name of the ego frame, for example ``base_link``.
        cameras: The cameras that took part; a silent one is simply not there.
        cloud: The LiDAR points, or None when no LiDAR took part.
        ego2global: (4, 4) float64, ego pose at ``stamp``.
    """

    stamp: int
    frame_id: str
    cameras: tuple[Camera, ...]
    cloud: PointCloud | None
    ego2global: NDArray[np.float64]

    def camera(self, name: str) -> Camera | None:
        """Return the camera of that name, or None when it took no part."""
        return next((camera for camera in self.cameras if camera.name == name), None)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of all sensors that took part."""
        names = tuple(camera.name for camera in self.cameras)
        return names if self.cloud is None else (*names, *self.cloud.lidars)
