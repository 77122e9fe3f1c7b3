# SPDX-License-Identifier: Apache-2.0
"""Networks of all modalities that run in milliseconds, and a Frame for them."""

from dataclasses import replace

import numpy as np

from effocc_ros.frame import NUSCENES_CAMERAS, Camera, Frame, PointCloud
from effocc_ros.geometry import VoxelGrid, rigid
from effocc_ros.presets import load_preset
from effocc_ros.visualization.chase_view import look_at

# The shape of the shipped networks at a thousandth of their work.
SMALL = replace(
    load_preset("fusion_r18"),
    name="small",
    grid=VoxelGrid((-19.2, -19.2, -1.0), (0.8, 0.8, 0.4), (48, 48, 16)),
    bev=VoxelGrid((-19.2, -19.2, -1.0), (0.8, 0.8, 6.4), (48, 48, 1)),
    voxels=VoxelGrid((-19.2, -19.2, -1.0), (0.1, 0.1, 0.16), (384, 384, 40)),
    image_size=(64, 176),
    image_width=8,
    image_channels=16,
    bev_channels=8,
    voxel_widths=(4, 4, 8, 8),
    fused_channels=16,
    trunk_widths=(8, 16),
    trunk_layers=2,
    trunk_channels=16,
    encoder_widths=(8, 16, 32),
    encoder_channels=16,
    head_channels=16,
    head_hidden=32,
)
CONFIGS = {
    "fusion": SMALL,
    "vision": replace(
        SMALL, name="small_vision", modality="vision", image_stages=(2, 3), image_downsample=16
    ),
    "lidar": replace(SMALL, name="small_lidar", modality="lidar", cameras=()),
}


def frame(cameras=NUSCENES_CAMERAS, lidar=True):
    rng = np.random.default_rng(5)
    made = []
    for number, name in enumerate(cameras):
        yaw = np.deg2rad(60 * number)
        pose = look_at((1.0, 0, 1.5), (1 + np.cos(yaw), np.sin(yaw), 1.4))
        image = rng.integers(0, 256, (72, 160, 3), np.uint8)
        intrinsics = np.array([[130.0, 0, 80], [0, 130, 40], [0, 0, 1]])
        made.append(Camera(name, image, intrinsics, pose, np.eye(4), 0))
    cloud = None
    if lidar:
        points = rng.uniform((-20, -20, -1, 0, 0), (20, 20, 4, 255, 0.5), (3000, 5))
        cloud = PointCloud(points.astype(np.float32), rigid((1, 0, 0, 0), (1, 0, 1.8)))
    return Frame(123_456_789, "base_link", tuple(made), cloud, np.eye(4))
