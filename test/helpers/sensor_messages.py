# SPDX-License-Identifier: Apache-2.0
"""Sensor messages of rosbags made by hand, good and bad, and a small vehicle that sends them."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from effocc_ros.bags.messages import (
    camera_info_message,
    compressed_image_message,
    header_message,
    message,
    point_cloud_message,
    tf_message,
    transform_message,
)
from effocc_ros.geometry import rigid
from effocc_ros.stream import Stream, StreamConfig, SyncConfig
from effocc_ros.stream.clouds import CloudReader
from effocc_ros.stream.images import ImageDecoder, check_image

SECOND = 1_000_000_000
START = 1_000 * SECOND
INTRINSICS = np.array([[100.0, 0.0, 32.0], [0.0, 110.0, 24.0], [0.0, 0.0, 1.0]])
MOUNT = rigid([0.5, -0.5, 0.5, -0.5], [1.5, 0.0, 1.6])
"""A camera that looks ahead: optical frame to base frame."""

POINTS = np.array([[5.0, 1.0, 0.5, 10.0], [6.0, -2.0, 0.25, 20.0], [0.2, 0.1, 0.0, 30.0]])


def at(seconds: float) -> int:
    """Return the stamp so many seconds into the drive."""
    return START + round(seconds * SECOND)


def raw_image(pixels: np.ndarray, encoding: str, seconds: float = 0.0, **changes: Any) -> Any:
    """Build an Image of (H, W[, C]) uint8 pixels whose rows follow each other without a gap."""
    rows = np.ascontiguousarray(pixels).reshape(len(pixels), -1)
    fields = {
        "header": header_message(at(seconds), "camera"),
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "encoding": encoding,
        "is_bigendian": 0,
        "step": rows.shape[1],
        "data": rows.ravel(),
    }
    return message("sensor_msgs/msg/Image", **{**fields, **changes})


def picture(shade: int = 128, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """Return (H, W, 3) uint8 of one grey."""
    return np.full((*size, 3), shade, np.uint8)


def jpeg_bytes(shade: int = 128) -> bytes:
    return cv2.imencode(".jpg", picture(shade))[1].tobytes()


def jpeg(
    seconds: float = 0.0, shade: int = 128, frame: str = "camera", data: bytes | None = None
) -> Any:
    data = jpeg_bytes(shade) if data is None else data
    return compressed_image_message(at(seconds), frame, data)


def camera_info(frame: str = "camera", **changes: Any) -> Any:
    return replace(camera_info_message(START, frame, INTRINSICS, (48, 64)), **changes)


def cloud(
    seconds: float = 0.0, points: np.ndarray = POINTS, frame: str = "lidar", **changes: Any
) -> Any:
    """Build a PointCloud2 of (N, 4) x, y, z, intensity as float32."""
    dtype = np.dtype([(name, "<f4") for name in ("x", "y", "z", "intensity")])
    table = np.ascontiguousarray(points, np.float32).view(dtype).ravel()
    return replace(point_cloud_message(at(seconds), frame, table), **changes)


def transforms(seconds: float, *edges: tuple[str, str, np.ndarray]) -> Any:
    """Build a TFMessage of (parent, child, child-to-parent) edges."""
    return tf_message(transform_message(at(seconds), *edge) for edge in edges)


def ego(seconds: float, speed: float = 10.0) -> np.ndarray:
    """Return the pose of a vehicle that drives along x."""
    return rigid([1.0, 0.0, 0.0, 0.0], [speed * seconds, 0.0, 0.0])


LIDAR_MOUNT = rigid([1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 1.8])


def mounts() -> Any:
    """Build the static transforms of camera and LiDAR."""
    return transforms(0.0, ("base_link", "camera", MOUNT), ("base_link", "lidar", LIDAR_MOUNT))


class Vehicle:
    """A stream of one or more cameras and a LiDAR, and what it complained about.

    Args:
        cameras: Names of its cameras; all sit at the same place.
        ready: Send transforms for -2 s to 5 s and CameraInfo at once.
        settings: Fields of StreamConfig; ``sync_*`` are fields of SyncConfig.
    """

    def __init__(self, cameras: tuple[str, ...] = ("CAM",), ready: bool = True, **settings: Any):
        fallback = settings.pop("fallback", None)
        sync = {key[5:]: settings.pop(key) for key in list(settings) if key.startswith("sync_")}
        config = StreamConfig(sync=SyncConfig(cameras=cameras, **sync), **settings)
        self.problems = []
        self.stream = Stream(config, self.problems.append, fallback)
        if ready:
            self.stream.add_transforms(mounts(), static=True)
            self.drive(-2.0, 5.0)
            for name in cameras:
                self.stream.add_camera_info(name, camera_info())

    @property
    def reasons(self) -> list[str]:
        return [problem.reason for problem in self.problems]

    def drive(self, begin: float, end: float, period: float = 0.1) -> None:
        """Send the ego poses of a time."""
        for seconds in np.arange(begin, end + 1e-9, period):
            edge = ("map", "base_link", ego(seconds))
            self.stream.add_transforms(transforms(seconds, edge), static=False)

    def frames(self, now: float = float("inf")) -> list:
        """Assemble all that is ready; what cannot be assembled is not in the list."""
        frames = [self.stream.assemble(trigger) for trigger in self.stream.poll(now)]
        return [frame for frame in frames if frame is not None]


def decode_image(message: Any, source: str, fallback: Any = None) -> np.ndarray:
    """Check and decode one image by itself, as a stream does with each."""
    check_image(message, source, fallback)
    return ImageDecoder(fallback).decode(message, source)


def decode_cloud(message: Any, source: str, intensity_scale: float = 1.0) -> Any:
    """Read one cloud by itself, as a stream reads the first."""
    return CloudReader(source, intensity_scale).read(message)


def png(pixels) -> bytes:
    """A PNG file of pixels as OpenCV has them."""
    return cv2.imencode(".png", pixels)[1].tobytes()


def compressed(data, form):
    """A compressed image whose format says ``form``."""
    return replace(jpeg(data=data), format=form)


def flat(values, size=(6, 8)) -> np.ndarray:
    """An image of one colour."""
    return np.broadcast_to(np.array(values, np.uint8), (*size, len(values))).copy()
