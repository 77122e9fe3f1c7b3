# SPDX-License-Identifier: Apache-2.0
"""A small tree of Occ3D-Waymo."""

import pickle

import cv2
import numpy as np

from effocc_ros.geometry import rigid

SHAPE = (200, 200, 16)

PINHOLE = np.array([[2000.0, 0.0, 960.0], [0.0, 2000.0, 640.0], [0.0, 0.0, 1.0]])

# Waymo's cameras look along x, with y to the left and z up.
TO_OPTICAL = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])

GRAY = {"image_0": 10, "image_1": 60, "image_2": 110, "image_3": 160, "image_4": 210}


def labels_arrays() -> dict:
    label = np.full(SHAPE, 23, np.uint8)
    label[10, 20, 3] = 1
    state = np.zeros(SHAPE, np.uint8)
    state[:100] = 1
    infov = np.zeros(SHAPE, np.uint8)
    infov[50:] = 1
    return {
        "voxel_label": label,
        "origin_voxel_state": state,
        "final_voxel_state": state,
        "infov": infov,
    }


def camera_infos(scenes: int, frames: int, combined: bool) -> dict:
    intrinsics = np.eye(4)
    intrinsics[:3, :3] = PINHOLE @ TO_OPTICAL if combined else PINHOLE
    infos = {}
    for scene in range(scenes):
        infos[scene] = {}
        for frame in range(frames):
            infos[scene][frame] = {
                camera: {
                    "intrinsics": intrinsics,
                    "sensor2ego": rigid((1, 0, 0, 0), (camera, 0.0, 2.0)),
                    "ego2global": rigid((1, 0, 0, 0), (100.0 + frame, 0.0, 0.0)),
                }
                for camera in range(5)
            }
    return infos


def make_waymo(root, scenes=2, frames=3, combined=True):
    for scene in range(scenes):
        for frame in range(frames):
            path = root / f"voxel04/training/{scene:03d}/{frame:03d}_04.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(path, **labels_arrays())
            sensors = root / "kitti_format/training"
            name = f"0{scene:03d}{frame:03d}"
            for folder, gray in GRAY.items():
                (sensors / folder).mkdir(parents=True, exist_ok=True)
                image = np.full((8, 12, 3), gray, np.uint8)
                suffix = "png" if folder == "image_4" else "jpg"
                cv2.imwrite(str(sensors / folder / f"{name}.{suffix}"), image)
            (sensors / "velodyne").mkdir(exist_ok=True)
            points = np.arange(12, dtype="<f4") + 100 * frame
            (sensors / "velodyne" / f"{name}.bin").write_bytes(points.tobytes())
    (root / "cam_infos.pkl").write_bytes(pickle.dumps(camera_infos(scenes, frames, combined)))
    return root
