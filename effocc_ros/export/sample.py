# SPDX-License-Identifier: Apache-2.0
"""A made-up frame that any network can be run on: the same one every time."""

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.frame import Camera, Frame, PointCloud
from effocc_ros.geometry import rigid
from effocc_ros.networks.config import ModelConfig

SEED = 0
IMAGE_SIZE = (450, 800)
FOCAL_LENGTH = 630.0
POINTS = 20_000
REACH = 50.0
"""Metres from the vehicle to the farthest points."""
LIDAR_HEIGHT = 1.8
OPTICAL = ((0.0, 0.0, 1.0), (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
"""Camera axes (right, down, forward) in a body frame (forward, left, up)."""


def sample_frame(config: ModelConfig) -> Frame:
    """Return a frame with all cameras of a network, looking all around, and a cloud.

    Images are smooth noise; points lie on a flat ground and on walls.
    """
    rng = np.random.default_rng(SEED)
    height, width = IMAGE_SIZE
    intrinsics = np.array(
        [[FOCAL_LENGTH, 0.0, width / 2], [0.0, FOCAL_LENGTH, height / 2], [0.0, 0.0, 1.0]]
    )
    yaws = np.linspace(0, 2 * np.pi, len(config.cameras), endpoint=False)
    cameras = tuple(
        Camera(name, _picture(rng), intrinsics, _pose(yaw), np.eye(4), 0)
        for name, yaw in zip(config.cameras, yaws, strict=True)
    )
    lidar = rigid((1.0, 0.0, 0.0, 0.0), (0.9, 0.0, LIDAR_HEIGHT))
    return Frame(0, "base_link", cameras, PointCloud(_points(rng), lidar), np.eye(4))


def _picture(rng: np.random.Generator) -> NDArray[np.uint8]:
    height, width = IMAGE_SIZE
    coarse = rng.integers(0, 256, (height // 25, width // 25, 3), np.uint8)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = rng.integers(0, 32, picture.shape, np.uint8)
    return cv2.add(picture, grain)


def _pose(yaw: float) -> NDArray[np.float64]:
    pose = np.eye(4)
    turn = np.array(
        [[np.cos(yaw), -np.sin(yaw), 0.0], [np.sin(yaw), np.cos(yaw), 0.0], [0.0, 0.0, 1.0]]
    )
    pose[:3, :3] = turn @ np.array(OPTICAL)
    pose[:3, 3] = (*(turn[:2, 0]), 1.5)
    return pose


def _points(rng: np.random.Generator) -> NDArray[np.float32]:
    """(N, 5) in the ego frame: nearer points are denser, as a LiDAR has it."""
    distance = REACH * rng.random(POINTS) ** 2
    azimuth = rng.uniform(0, 2 * np.pi, POINTS)
    points = np.zeros((POINTS, 5), np.float32)
    points[:, 0], points[:, 1] = distance * np.cos(azimuth), distance * np.sin(azimuth)
    points[:, 2] = rng.normal(0.0, 0.05, POINTS)
    wall = np.sin(5 * azimuth) > 0.6
    points[wall, 2] = rng.uniform(0.0, 4.0, int(wall.sum()))
    points[:, 3] = rng.uniform(0, 255, POINTS)
    return points
