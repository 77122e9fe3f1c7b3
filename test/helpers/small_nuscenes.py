# SPDX-License-Identifier: Apache-2.0
"""A data set of one scene with a camera, a LiDAR and a radar, in nuScenes' layout."""

import json
from pathlib import Path

import numpy as np

VERSION = "v1.0-tiny"
SCENE = "scene-0001"
START_US = 1_500_000_000_000_000
JPEG = b"\xff\xd8\xff\xda jpeg %d\xff\xd9"
"""Begins and ends as a JPEG does; between them stands the number of the row."""
INTRINSICS = [[1000.0, 0.0, 800.0], [0.0, 1000.0, 450.0], [0.0, 0.0, 1.0]]
IDENTITY = [1.0, 0.0, 0.0, 0.0]

ROWS = (  # channel, microseconds after the start, keyframe
    ("LIDAR_TOP", 50_000, True),
    ("CAM_FRONT", 40_000, True),
    ("RADAR_FRONT", 45_000, True),
    ("LIDAR_TOP", 0, False),
    ("CAM_FRONT", 120_000, False),
)


def make_small_nuscenes(root: Path) -> Path:
    """Write tables, JPEG look-alikes and LiDAR files; rows are not in the order of time."""
    tables = {
        "scene": [
            {"token": "scene", "name": SCENE},
            {"token": "other", "name": "scene-0002"},
        ],
        "sample": [
            {"token": "sample", "scene_token": "scene", "timestamp": START_US},
            {"token": "foreign", "scene_token": "other", "timestamp": START_US},
        ],
        "sensor": [
            {"token": "CAM_FRONT", "channel": "CAM_FRONT", "modality": "camera"},
            {"token": "LIDAR_TOP", "channel": "LIDAR_TOP", "modality": "lidar"},
            {"token": "RADAR_FRONT", "channel": "RADAR_FRONT", "modality": "radar"},
        ],
        "calibrated_sensor": [
            {
                "token": f"place-{channel}",
                "sensor_token": channel,
                "translation": [float(place), 0.0, 1.5],
                "rotation": IDENTITY,
                "camera_intrinsic": INTRINSICS if channel == "CAM_FRONT" else [],
            }
            for place, channel in enumerate(("CAM_FRONT", "LIDAR_TOP", "RADAR_FRONT"))
        ],
        "ego_pose": [],
        "sample_data": [],
    }
    for number, (channel, offset, keyframe) in enumerate(ROWS):
        folder = "samples" if keyframe else "sweeps"
        suffix = "jpg" if channel.startswith("CAM") else "pcd.bin"
        filename = f"{folder}/{channel}/{number}.{suffix}"
        tables["ego_pose"].append(
            {
                "token": f"pose-{number}",
                "timestamp": START_US + offset,
                "translation": [offset / 1e5, 0.0, 0.0],
                "rotation": IDENTITY,
            }
        )
        camera = channel.startswith("CAM")
        tables["sample_data"].append(
            {
                "token": f"data-{number}",
                "sample_token": "sample",
                "ego_pose_token": f"pose-{number}",
                "calibrated_sensor_token": f"place-{channel}",
                "timestamp": START_US + offset,
                "is_key_frame": keyframe,
                "height": 900 if camera else 0,
                "width": 1600 if camera else 0,
                "filename": filename,
            }
        )
        path = root / filename
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            JPEG % number if camera else (np.arange(15, dtype="<f4") + 100 * number).tobytes()
        )
    tables["sample_data"].append({**tables["sample_data"][0], "sample_token": "foreign"})
    tables["sample_data"][-1]["token"] = "of another scene"
    for name, rows in tables.items():
        write_table(root, name, rows)
    return root


def read_table(root: Path, name: str) -> list[dict]:
    return json.loads((root / VERSION / f"{name}.json").read_text())


def write_table(root: Path, name: str, rows: list[dict]) -> None:
    path = root / VERSION / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows))
