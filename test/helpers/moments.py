# SPDX-License-Identifier: Apache-2.0
"""Samples of a small network on a small grid, for tests of what lies between data and network."""

from dataclasses import replace

import numpy as np

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.datasets.sample import Labels, LabelSpace, Sample
from effocc_ros.errors import InputError
from effocc_ros.frame import Camera, Frame, PointCloud
from effocc_ros.geometry import VoxelGrid
from effocc_ros.presets import load_preset

FREE = 17
GRID = VoxelGrid(lower=(-4.0, -3.0, -1.0), voxel_size=(1.0, 1.0, 1.0), shape=(8, 6, 2))
SPACE = LabelSpace(OCC3D_NUSCENES, GRID, "base_link")
CAMERAS = ("CAM_FRONT", "CAM_BACK")
CONFIG = replace(
    load_preset("fusion_tiny"), name="small", grid=GRID, cameras=CAMERAS, image_size=(32, 88)
)
# Optical axes: x right, y down, z forward; the ego frame: x forward, y left, z up.
FORWARD = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
BACKWARD = np.diag([-1.0, -1.0, 1.0, 1.0]) @ FORWARD
INTRINSICS = np.array([[50.0, 0, 50], [0, 50, 30], [0, 0, 1]])


def labels_of(number: int, flow: bool = False) -> Labels:
    """Labels with no symmetry: every voxel its own of a draw."""
    draw = np.random.default_rng(number)
    return Labels(
        semantics=draw.integers(0, 18, GRID.shape, np.uint8),
        mask_camera=draw.random(GRID.shape) < 0.5,
        flow=draw.normal(size=(*GRID.shape, 2)).astype(np.float32) if flow else None,
    )


def frame_of(number: int, cameras=CAMERAS, lidar: bool = True) -> Frame:
    draw = np.random.default_rng(100 + number)
    points = (draw.uniform(-4, 4, (80 + number, 5)) * [1, 1, 0.2, 1, 1]).astype(np.float32)
    poses = {"CAM_FRONT": FORWARD, "CAM_BACK": BACKWARD}
    taken = tuple(
        Camera(
            name,
            draw.integers(0, 256, (60, 100, 3), np.uint8),
            INTRINSICS,
            poses[name],
            np.eye(4),
            number,
        )
        for name in CAMERAS
    )
    return Frame(
        stamp=number,
        frame_id="base_link",
        cameras=tuple(camera for camera in taken if camera.name in cameras),
        cloud=PointCloud(points, np.eye(4)) if lidar else None,
        ego2global=np.eye(4),
    )


def moment(number: int, labeled: bool = True, **frame) -> Sample:
    truth = labels_of(number) if labeled else None
    return Sample(f"token{number}", "scene", frame_of(number, **frame), labeled, truth, SPACE)


class Moments:
    """A source of samples that notes what is read, and may hold one that cannot be."""

    space = SPACE

    def __init__(self, count: int, broken: int | None = None):
        self.count, self.broken = count, broken
        self.read_places = []

    def __len__(self) -> int:
        return self.count

    def read(self, index: int, epoch: int) -> Sample:
        self.read_places.append((index, epoch))
        if index == self.broken:
            raise InputError(
                f"file {index}.bin", found="half", expected="all", do="Copy it", reason="bad_file"
            )
        return moment(index)
