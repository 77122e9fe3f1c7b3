# SPDX-License-Identifier: Apache-2.0
"""The sensors of a nuScenes car, with round numbers: where they sit and when they fire."""

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError

CAMERA_RATE = 12.0
LIDAR_RATE = 20.0
KEYFRAME_RATE = 2.0
FULL_SIZE = (900, 1600)

_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Columns: the optical axes (right, down, forward) of a camera that looks along ego x."""


@dataclass(frozen=True, eq=False)
class CameraMount:
    """A pinhole camera on the car.

    Attributes:
        name: For example ``CAM_FRONT``.
        image_size: (height, width) in pixels.
        intrinsics: (3, 3) pinhole matrix; pixel centres have whole coordinates.
        sensor2ego: (4, 4), optical frame to ego frame.
        offset_s: When it fires, in seconds after the start of a LiDAR sweep.
    """

    name: str
    image_size: tuple[int, int]
    intrinsics: NDArray[np.float64]
    sensor2ego: NDArray[np.float64]
    offset_s: float

    @cached_property
    def rays(self) -> NDArray[np.float32]:
        """(H, W, 3) directions of the pixel centres in the optical frame, depth 1."""
        height, width = self.image_size
        x = (np.arange(width) - self.intrinsics[0, 2]) / self.intrinsics[0, 0]
        y = (np.arange(height) - self.intrinsics[1, 2]) / self.intrinsics[1, 1]
        x, y = np.meshgrid(x, y)
        return np.stack([x, y, np.ones_like(x)], axis=-1).astype(np.float32)

    @cached_property
    def columns(self) -> NDArray[np.float32]:
        """(3, H * W) the same rays, one row per axis."""
        return np.ascontiguousarray(self.rays.reshape(-1, 3).T)

    @cached_property
    def lengths(self) -> NDArray[np.float32]:
        """(H * W,) lengths of the rays."""
        return np.linalg.norm(self.columns, axis=0)

    def shrunk(self, factor: int) -> "CameraMount":
        """Return the same camera with ``factor`` times fewer pixels along either side."""
        height, width = self.image_size
        intrinsics = self.intrinsics / factor
        intrinsics[:2, 2] = (self.intrinsics[:2, 2] + 0.5) / factor - 0.5
        intrinsics[2, 2] = 1.0
        size = max(1, height // factor), max(1, width // factor)
        return replace(self, image_size=size, intrinsics=intrinsics)


@dataclass(frozen=True, eq=False)
class LidarMount:
    """A spinning LiDAR on the car; x right, y forward, z up.

    Attributes:
        name: For example ``LIDAR_TOP``.
        sensor2ego: (4, 4), LiDAR frame to ego frame.
        elevations: (32,) radians of the beams, ring 0 lowest.
        columns: Firings in one turn.
        start_yaw: Heading in the ego frame at which a sweep starts, radians; it turns clockwise.
        max_range: Metres.
        dropout: Share of beams that come back from nothing by chance.
        gain: Of the intensity.
    """

    name: str
    sensor2ego: NDArray[np.float64]
    elevations: NDArray[np.float64]
    columns: int = 1084
    start_yaw: float = float(np.radians(105.4))
    max_range: float = 100.0
    dropout: float = 0.02
    gain: float = 1.0

    @cached_property
    def beams(self) -> NDArray[np.float64]:
        """(columns * 32, 3) directions in the LiDAR frame in firing order; it turns clockwise."""
        yaw = self.start_yaw - 2 * np.pi * (np.arange(self.columns) + 0.5) / self.columns
        yaw, up = yaw[:, None], self.elevations[None]
        around = (np.cos(up) * np.cos(yaw), np.cos(up) * np.sin(yaw), np.sin(up + 0 * yaw))
        in_ego = np.stack(np.broadcast_arrays(*around), axis=-1)
        return (in_ego @ _turn(-np.pi / 2)).reshape(-1, 3)


@dataclass(frozen=True)
class SensorRig:
    """All sensors of the car."""

    cameras: tuple[CameraMount, ...]
    lidar: LidarMount


# name: yaw in degrees, place (x, y, z) in metres, focal length in pixels of 1600 x 900, trigger
_CAMERAS = {
    "CAM_FRONT_LEFT": (55.0, (1.52, 0.49, 1.51), 1266.0, 0.007),
    "CAM_FRONT": (0.0, (1.70, 0.0, 1.51), 1266.0, 0.015),
    "CAM_FRONT_RIGHT": (-55.0, (1.55, -0.49, 1.50), 1266.0, 0.022),
    "CAM_BACK_LEFT": (110.0, (1.04, 0.48, 1.59), 1266.0, 0.049),
    "CAM_BACK": (180.0, (0.03, 0.0, 1.57), 809.0, 0.040),
    "CAM_BACK_RIGHT": (-110.0, (1.02, -0.48, 1.56), 1266.0, 0.031),
}


def _turn(yaw: float) -> NDArray[np.float64]:
    return np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1.0]])


def check_image_size(image_size: tuple[int, int]) -> None:
    """Refuse pictures (height, width) that no camera here takes.

    Raises:
        InputError: A side is shorter than 32 or longer than 1600 pixels.
    """
    if not all(32 <= side <= FULL_SIZE[1] for side in image_size):
        raise InputError(
            "image size of the drive",
            found=f"{image_size[1]} x {image_size[0]} pixels",
            expected=f"32 to {FULL_SIZE[1]} pixels a side",
            do="Say --image-size 704x396 or 1600x900",
        )


@dataclass(frozen=True)
class _Tolerance:
    """How far the rig of one car is from that of another, standard deviations."""

    place: float = 0.02  # metres
    angle: float = 0.007  # radians
    focal: float = 0.012  # share
    center: float = 0.006  # share of the picture's width
    height: float = 0.07  # of the LiDAR, metres
    beam: float = 0.0004  # radians


def drawn_rig(seed: int, image_size: tuple[int, int] = (396, 704)) -> SensorRig:
    """Build the rig of one car: each was mounted and calibrated a little differently.

    Args:
        seed: The car's.
        image_size: (height, width) of the pictures.
    """
    rng, spread = np.random.default_rng([seed, 99]), _Tolerance()
    usual = nuscenes_rig(image_size)

    def noise(scale: float, count: int) -> NDArray[np.float64]:
        return np.clip(rng.standard_normal(count), -2, 2) * scale

    cameras, zoom = [], 1 + noise(spread.focal, 1)[0]
    for camera in usual.cameras:
        sensor2ego = camera.sensor2ego.copy()
        sensor2ego[:3, :3] = _small_turn(noise(spread.angle, 3)) @ sensor2ego[:3, :3]
        sensor2ego[:3, 3] += noise(spread.place, 3)
        intrinsics = camera.intrinsics.copy()
        intrinsics[[0, 1], [0, 1]] *= zoom + noise(0.003, 1)
        intrinsics[:2, 2] += noise(spread.center * image_size[1], 2)
        cameras.append(replace(camera, intrinsics=intrinsics, sensor2ego=sensor2ego))
    sensor2ego = usual.lidar.sensor2ego.copy()
    sensor2ego[:3, :3] = _small_turn(noise(spread.angle, 3)) @ sensor2ego[:3, :3]
    sensor2ego[:3, 3] += [*noise(0.03, 2), *noise(spread.height, 1)]
    elevations = usual.lidar.elevations + noise(spread.beam, len(usual.lidar.elevations))
    lidar = replace(
        usual.lidar,
        sensor2ego=sensor2ego,
        elevations=elevations,
        dropout=float(rng.uniform(0.0, 0.05)),
        gain=float(np.exp(noise(0.15, 1)[0])),
    )
    return SensorRig(tuple(cameras), lidar)


def _small_turn(angles: NDArray) -> NDArray[np.float64]:
    """Rotation (3, 3) by a vector of at most a few hundredths of a radian."""
    return cv2.Rodrigues(np.asarray(angles, np.float64))[0]


def nuscenes_rig(image_size: tuple[int, int] = (396, 704)) -> SensorRig:
    """Build the rig with cameras of an image size (height, width).

    The field of view is that of 1600 x 900; another aspect ratio crops or adds rows at the
    middle.
    """
    height, width = image_size
    scale = width / FULL_SIZE[1]
    cameras = []
    for name, (yaw, place, focal, offset) in _CAMERAS.items():
        sensor2ego = np.eye(4)
        sensor2ego[:3, :3] = _turn(np.radians(yaw)) @ _OPTICAL
        sensor2ego[:3, 3] = place
        intrinsics = np.array(
            [
                [focal * scale, 0, (width - 1) / 2],
                [0, focal * scale, (height - 1) / 2],
                [0, 0, 1.0],
            ]
        )
        cameras.append(CameraMount(name, (height, width), intrinsics, sensor2ego, offset))
    lidar2ego = np.eye(4)
    lidar2ego[:3, :3] = _turn(-np.pi / 2)
    lidar2ego[:3, 3] = (0.94, 0.0, 1.84)
    lidar = LidarMount("LIDAR_TOP", lidar2ego, np.radians(np.linspace(-30.67, 10.67, 32)))
    return SensorRig(tuple(cameras), lidar)
