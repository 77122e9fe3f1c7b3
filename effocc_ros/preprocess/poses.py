# SPDX-License-Identifier: Apache-2.0
"""The frames a network thinks in, and how a Frame's sensors stand in them.

EFFOcc puts camera features into the ego frame at the key camera's time, points into the ego frame
at another camera's time, and takes the two as one. Networks of OpenOccupancy work in the LiDAR
frame at the reference time instead, and those without a key camera in the ego frame at that time.
Matrices are float64, for a pose can be kilometres from its origin.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.frame import Camera, Frame
from effocc_ros.geometry import inverse_rigid
from effocc_ros.networks.config import ModelConfig
from effocc_ros.preprocess.images import ImageFit


@dataclass(frozen=True)
class NetworkPoses:
    """Transforms from a Frame into a network's frames.

    Attributes:
        global2key: (4, 4) global to the frame of the camera BEV.
        ego2points: (4, 4) ego frame at the Frame's stamp to the frame of the network's points.
        one_time: True when camera BEV and points stand in one frame at one time.
    """

    global2key: NDArray[np.float64]
    ego2points: NDArray[np.float64]
    one_time: bool

    def sensor2key(self, camera: Camera) -> NDArray[np.float64]:
        """(4, 4) optical frame to the frame of the camera BEV, ego motion taken out."""
        return self.global2key @ camera.ego2global @ camera.sensor2ego

    def points2sensor(self, camera: Camera) -> NDArray[np.float64]:
        """(4, 4) frame of the network's points to the optical frame, for depth images.

        With a key camera EFFOcc leaves the motion between the camera's time and the points' time
        in, and its weights were trained so. Where all stand at one time, it is taken out.
        """
        sensor2points = self.sensor2key(camera) if self.one_time else camera.sensor2ego
        return inverse_rigid(sensor2points)

    def points2pixel(self, camera: Camera, fit: ImageFit) -> NDArray[np.float64]:
        """(3, 4) frame of the network's points to column and row times depth, and depth.

        Args:
            camera: Whose pixels.
            fit: How its image is laid into the network's input; those pixels.
        """
        to_sensor = self.points2sensor(camera)[:3]
        to_pixel = fit.post_rot.astype(np.float64) @ camera.intrinsics @ to_sensor
        # A shift of pixels, so it comes in times depth as well.
        to_pixel += fit.post_trans.astype(np.float64)[:, None] * to_sensor[2]
        return np.concatenate([to_pixel[:2], to_sensor[2:]])


def network_poses(frame: Frame, config: ModelConfig) -> NetworkPoses:
    """Find a Frame's poses in the frames that a network works in.

    A camera that should give a pose but is silent is replaced by the Frame's own pose.

    Raises:
        InputError: The network works in the LiDAR frame and the Frame has no LiDAR.
    """
    if config.frame == "lidar":
        if frame.cloud is None:
            raise InputError(
                f"Frame {frame.stamp}",
                found="no LiDAR",
                expected=f"one: {config.name} gives its voxels in the LiDAR frame",
                reason="no_lidar",
            )
        lidar2global = frame.ego2global @ frame.cloud.sensor2ego
        return NetworkPoses(
            global2key=inverse_rigid(lidar2global),
            ego2points=inverse_rigid(frame.cloud.sensor2ego),
            one_time=True,
        )
    points_camera = frame.camera(config.points_camera)
    ego2points = np.eye(4)
    if points_camera is not None:
        ego2points = inverse_rigid(points_camera.ego2global) @ frame.ego2global
    key_camera = frame.camera(config.key_camera)
    key2global = frame.ego2global if key_camera is None else key_camera.ego2global
    one_time = not config.key_camera and not config.points_camera
    return NetworkPoses(inverse_rigid(key2global), ego2points, one_time)
