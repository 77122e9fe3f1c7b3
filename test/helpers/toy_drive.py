# SPDX-License-Identifier: Apache-2.0
"""A toy drive as rosbags messages: six small cameras, a thin LiDAR, tf; nuScenes' topic names."""

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from effocc_ros.bags.messages import (
    NUSCENES_POINT,
    camera_info_message,
    compressed_image_message,
    point_cloud_message,
    tf_message,
    transform_message,
)
from effocc_ros.bags.typestore import base_typestore
from effocc_ros.bags.writer import BagWriter
from effocc_ros.frame import NUSCENES_CAMERAS

IMAGE = "image_rect_compressed"

START = 1_700_000_000_000_000_000
PERIOD = 100_000_000
"""Nanoseconds: everything comes at 10 Hz, with equal stamps."""

TOPICS = [
    "/tf",
    "/tf_static",
    "/LIDAR_TOP",
    *(f"/{name}/{what}" for name in NUSCENES_CAMERAS for what in ("camera_info", IMAGE)),
]
"""All topics of the drive."""

SIZE = (90, 160)
INTRINSICS = np.array([[120.0, 0.0, 80.0], [0.0, 120.0, 45.0], [0.0, 0.0, 1.0]])
YAWS = dict(zip(NUSCENES_CAMERAS, (55.0, 0.0, -55.0, 110.0, 180.0, -110.0), strict=True))
OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Camera axes (right, down, forward) in a body frame (forward, left, up)."""


@dataclass(frozen=True)
class Sent:
    """One message of the drive: where, when (nanoseconds), what."""

    topic: str
    log_time: int
    message: object = field(repr=False)

    @property
    def msgtype(self) -> str:
        return self.message.__msgtype__

    @property
    def raw(self) -> bytes:
        return bytes(base_typestore().serialize_cdr(self.message, self.msgtype))


def camera_pose(name: str) -> np.ndarray:
    """Return (4, 4) optical frame to base frame."""
    yaw = np.deg2rad(YAWS[name])
    turn = np.array(
        [[np.cos(yaw), -np.sin(yaw), 0.0], [np.sin(yaw), np.cos(yaw), 0.0], [0.0, 0.0, 1.0]]
    )
    pose = np.eye(4)
    pose[:3, :3] = turn @ OPTICAL
    pose[:3, 3] = (*(1.5 * turn[:2, 0]), 1.5)
    return pose


def lidar_pose() -> np.ndarray:
    pose = np.eye(4)
    pose[:3, 3] = (0.9, 0.0, 1.8)
    return pose


def jpeg(seed: int) -> bytes:
    """Return a smooth random picture as JPEG."""
    noise = np.random.default_rng(seed).integers(0, 255, (6, 10, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", cv2.resize(noise, SIZE[::-1]))[1].tobytes()


def sweep(seed: int, count: int = 2000) -> np.ndarray:
    """Return points on the ground and on a wall to the left, in the LiDAR frame."""
    rng = np.random.default_rng(seed)
    points = np.zeros(count, NUSCENES_POINT)
    points["x"] = rng.uniform(-30, 30, count)
    points["y"] = rng.uniform(-30, 10, count)
    points["z"] = -1.8
    wall = rng.random(count) < 0.3
    points["y"][wall] = 10.0
    points["z"][wall] = rng.uniform(-1.8, 2.0, int(wall.sum()))
    points["intensity"] = rng.uniform(0, 255, count)
    return points


def camera_image(camera: str, stamp: int, seed: int = 0) -> Sent:
    image = compressed_image_message(stamp, camera, jpeg(seed))
    return Sent(f"/{camera}/{IMAGE}", stamp, image)


def camera_info(camera: str, stamp: int) -> Sent:
    info = camera_info_message(stamp, camera, INTRINSICS, SIZE)
    return Sent(f"/{camera}/camera_info", stamp, info)


def points(stamp: int, seed: int = 0) -> Sent:
    return Sent("/LIDAR_TOP", stamp, point_cloud_message(stamp, "LIDAR_TOP", sweep(seed)))


def ego_pose(stamp: int) -> Sent:
    """5 m/s straight ahead."""
    pose = np.eye(4)
    pose[0, 3] = 5.0 * (stamp - START) / 1e9
    return Sent("/tf", stamp, tf_message([transform_message(stamp, "map", "base_link", pose)]))


def static_poses() -> Sent:
    edges = [
        transform_message(START, "base_link", name, camera_pose(name)) for name in NUSCENES_CAMERAS
    ]
    edges.append(transform_message(START, "base_link", "LIDAR_TOP", lidar_pose()))
    return Sent("/tf_static", START, tf_message(edges))


def moment(number: int, cameras: tuple[str, ...] = NUSCENES_CAMERAS) -> list[Sent]:
    """Return all that is sent at one moment; the LiDAR comes last."""
    stamp = START + number * PERIOD
    sent = [ego_pose(stamp)]
    for index, camera in enumerate(cameras):
        sent += [camera_info(camera, stamp), camera_image(camera, stamp, 10 * number + index)]
    return [*sent, points(stamp, number)]


def drive(moments: int, cameras: tuple[str, ...] = NUSCENES_CAMERAS) -> list[Sent]:
    """Return a whole drive, static poses first."""
    sent = [static_poses()]
    for number in range(moments):
        sent += moment(number, cameras)
    return sent


def lidar_drive(moments: int) -> list[Sent]:
    """Return what a LiDAR model uses of a drive."""
    return [sent for sent in drive(moments) if "CAM" not in sent.topic]


def make_toy_bag(path: Path, moments: int = 4) -> Path:
    """Write a drive as a bag."""
    with BagWriter(path) as writer:
        for sent in drive(moments):
            writer.write(sent.topic, sent.message, sent.log_time)
    return path
