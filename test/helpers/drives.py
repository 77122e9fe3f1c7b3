# SPDX-License-Identifier: Apache-2.0
"""Drives of a small vehicle in the files of nuScenes and Occ3D: six cameras, a LiDAR, labels."""

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np

from effocc_ros.frame import NUSCENES_CAMERAS

VERSION = "v1.0-mini"
SCENES = ("scene-0061", "scene-0103")
START_US = 1_532_402_927_000_000
CAMERA_US = dict(
    zip(NUSCENES_CAMERAS, (-43_000, -35_000, -28_000, -1_000, -10_000, -19_000), strict=True)
)
"""When a camera takes its picture, relative to the end of the LiDAR's turn."""
SWEEP_US = 50_000
SPEED = 10.0
IMAGE_SIZE = (36, 64)
POINTS = 60


def token(*parts) -> str:
    return hashlib.md5(" ".join(map(str, parts)).encode()).hexdigest()


def make_drives(
    root: Path, scenes=SCENES, *, keyframes: int = 2, sweeps: int = 3, version: str = VERSION
) -> Path:
    """Write scenes of labeled keyframes every 0.5 s, each with LiDAR sweeps before it."""
    tables = {name: [] for name in ("scene", "sample", "sample_data", "ego_pose")}
    tables |= _sensors()
    for number, scene in enumerate(scenes):
        tables["scene"].append({"token": token(scene), "name": scene})
        for k in range(keyframes):
            stamp = START_US + 60_000_000 * number + 500_000 * (k + 1)
            sample = token(scene, k)
            tables["sample"].append(
                {"token": sample, "timestamp": stamp, "scene_token": token(scene)}
            )
            for back in range(sweeps, -1, -1):
                _add(tables, root, sample, "LIDAR_TOP", stamp - SWEEP_US * back, back == 0)
            for camera, offset in CAMERA_US.items():
                _add(tables, root, sample, camera, stamp + offset, True)
            write_labels(labels_path(root, scene, k), number + k)
    for name, rows in tables.items():
        write_table(root, name, rows, version)
    return root


def labels_path(root: Path, scene: str, keyframe: int) -> Path:
    return root / "gts" / scene / token(scene, keyframe) / "labels.npz"


def write_labels(path: Path, seed: int = 0, **other) -> None:
    """Write labels.npz with three values: where they are depends on the seed."""
    semantics = np.full((200, 200, 16), 17, np.uint8)
    semantics[:, :, 0] = 11
    semantics[100 + seed, 120, 5] = 4
    mask = np.zeros_like(semantics)
    mask[:, 100:] = 1
    arrays = {"semantics": semantics, "mask_lidar": mask, "mask_camera": 1 - mask} | other
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **{name: a for name, a in arrays.items() if a is not None})


def read_table(root: Path, name: str, version: str = VERSION) -> list[dict]:
    return json.loads((root / version / f"{name}.json").read_text())


def write_table(root: Path, name: str, rows: list[dict], version: str = VERSION) -> None:
    path = root / version / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=0))


def _sensors() -> dict[str, list[dict]]:
    sensors, places = [], []
    for number, channel in enumerate(("LIDAR_TOP", *NUSCENES_CAMERAS)):
        camera = channel != "LIDAR_TOP"
        sensors.append(
            {
                "token": token(channel),
                "channel": channel,
                "modality": "camera" if camera else "lidar",
            }
        )
        places.append(
            {
                "token": token("place", channel),
                "sensor_token": token(channel),
                "translation": [1.0 + 0.1 * number, 0.0, 1.5],
                "rotation": [0.5, -0.5, 0.5, -0.5] if camera else [0.7071, 0.0, 0.0, -0.7071],
                "camera_intrinsic": [[50.0, 0, 32], [0, 50.0, 18], [0, 0, 1]] if camera else [],
            }
        )
    return {"sensor": sensors, "calibrated_sensor": places}


def _add(tables, root: Path, sample: str, channel: str, stamp: int, key_frame: bool) -> None:
    folder = "samples" if key_frame else "sweeps"
    suffix = "pcd.bin" if channel == "LIDAR_TOP" else "jpg"
    filename = f"{folder}/{channel}/{stamp}.{suffix}"
    name = token("data", channel, stamp)
    camera = suffix == "jpg"
    tables["sample_data"].append(
        {
            "token": name,
            "sample_token": sample,
            "ego_pose_token": name,
            "calibrated_sensor_token": token("place", channel),
            "timestamp": stamp,
            "is_key_frame": key_frame,
            "height": IMAGE_SIZE[0] if camera else 0,
            "width": IMAGE_SIZE[1] if camera else 0,
            "filename": filename,
        }
    )
    seconds = (stamp - START_US) * 1e-6
    tables["ego_pose"].append(
        {
            "token": name,
            "timestamp": stamp,
            "translation": [400.0 + SPEED * seconds, 1100.0, 0.0],
            "rotation": [np.cos(0.05 * seconds), 0.0, 0.0, np.sin(0.05 * seconds)],
        }
    )
    path = root / filename
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(stamp % 2**32)
    if camera:
        image = np.full((*IMAGE_SIZE, 3), rng.integers(0, 256, 3), np.uint8)
        path.write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
    else:
        points = rng.uniform(-30, 30, (POINTS, 5)) * [1, 1, 0.05, 1, 1]
        points[:, 3] = rng.integers(0, 256, POINTS)
        path.write_bytes(points.astype("<f4").tobytes())
