# SPDX-License-Identifier: Apache-2.0
"""The LiDAR of a recorded keyframe, projected by its Frame, meets the edges in the images."""

import cv2
import numpy as np
import pytest
from helpers.real_frame import VERSION, make_nuscenes_tree

from effocc_ros.datasets.benchmarks import open_dataset
from effocc_ros.datasets.nuscenes_frames import SweepChoice
from effocc_ros.geometry import inverse_rigid, transform_points

BEAMS = 32
JUMP = 1.5
"""Metres by which something stands out from what is beside it."""


@pytest.fixture(scope="module")
def frame(data_dir, tmp_path_factory):
    root = make_nuscenes_tree(data_dir, tmp_path_factory.mktemp("real") / "nuscenes")
    one_sweep = SweepChoice(0)
    return open_dataset(
        "occ3d_nuscenes", root, "all", version=VERSION, with_labels=False, sweeps=one_sweep
    )[0].frame


def silhouettes(frame):
    """Returns (N, 3) in the LiDAR frame from the rims of things that stand before others."""
    places = transform_points(inverse_rigid(frame.cloud.sensor2ego), frame.cloud.points[:, :3])
    columns = places.reshape(-1, BEAMS, 3)  # files hold one column of beams after the other
    reach = np.linalg.norm(columns, axis=2)
    beside = np.maximum(np.roll(reach, 1, axis=0), np.roll(reach, -1, axis=0))
    return columns[(beside - reach > JUMP) & (reach > 3) & (reach < 40)]


def edge_strength(frame, points):
    """Mean horizontal gradient of the images where points meet them, 1 being that of any pixel."""
    strengths = []
    for camera in frame.cameras:
        grey = cv2.cvtColor(camera.image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        gradient = np.abs(cv2.Sobel(cv2.GaussianBlur(grey, (0, 0), 2), cv2.CV_32F, 1, 0))
        ego2camera = inverse_rigid(camera.ego2global @ camera.sensor2ego) @ frame.ego2global
        x, y, z = transform_points(ego2camera @ frame.cloud.sensor2ego, points).T
        u, v, w = camera.intrinsics @ (x, y, z)
        u, v = np.round(u / w).astype(int), np.round(v / w).astype(int)
        height, width = grey.shape
        seen = (z > 1) & (u >= 0) & (v >= 0) & (u < width) & (v < height)
        strengths.append(gradient[v[seen], u[seen]] / gradient.mean())
    return np.concatenate(strengths).mean()


def test_rims_in_the_recorded_sweep_lie_on_edges_of_the_recorded_images(frame):
    points = silhouettes(frame)
    assert len(points) > 500
    assert edge_strength(frame, points) > 1.8
    for degrees in (-0.5, 0.5):
        angle = np.radians(degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turned = np.concatenate([points[:, :2] @ turn.T, points[:, 2:]], axis=1)
        assert edge_strength(frame, turned) < 1.6
