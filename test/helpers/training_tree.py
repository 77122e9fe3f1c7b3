# SPDX-License-Identifier: Apache-2.0
"""A data set in the files of nuScenes and Occ3D that a very small network learns in seconds.

Boxes stand on a road, in other places in every sample. The LiDAR returns are the centres of the
boxes' voxels, the camera sees noise.
"""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import yaml

from effocc_ros.geometry import VoxelGrid
from effocc_ros.networks.config import ModelConfig
from effocc_ros.presets import config_to_mapping, load_preset

VERSION = "v1.0-small"
START_US = 1_500_000_000_000_000
IDENTITY = [1.0, 0.0, 0.0, 0.0]
CAMERA = "CAM_FRONT"
INTRINSICS = [[80.0, 0.0, 88.0], [0.0, 80.0, 32.0], [0.0, 0.0, 1.0]]
CAR, ROAD, FREE = 4, 11, 17
SHAPE = (200, 200, 16)

VERY_SMALL = {
    "image_size": (64, 176),
    "image_width": 4,
    "image_channels": 8,
    "depth_range": (1.0, 45.0, 4.0),
    "bev_channels": 4,
    "cameras": (CAMERA,),
    "voxels": VoxelGrid((-40.0, -40.0, -1.0), (0.4, 0.4, 0.4), SHAPE),
    "voxel_widths": (4, 8),
    "sweeps": 0,
    "fused_channels": 8,
    "trunk_widths": (8, 8),
    "trunk_layers": 1,
    "trunk_channels": 8,
    "upsample_channels": 8,
    "head_channels": 8,
    "head_hidden": 16,
}


def very_small(modality: str) -> ModelConfig:
    """Return a network of a modality that takes a tenth of a second."""
    config = replace(load_preset("fusion_tiny"), name=f"very_small_{modality}", **VERY_SMALL)
    if modality == "vision":
        return replace(config, modality="vision", voxels=None, point_grid=False)
    if modality == "lidar":
        return replace(config, modality="lidar", cameras=(), bev=None)
    return config


def write_preset(folder: Path, config: ModelConfig) -> Path:
    """Write a preset as a user would write one of his own."""
    path = folder / f"{config.name}.yaml"
    values = json.loads(json.dumps(config_to_mapping(config)))
    path.write_text(yaml.safe_dump({k: v for k, v in values.items() if v is not None}))
    return path


def make_training_tree(root: Path, scenes: int = 2, samples: int = 4) -> Path:
    """Write ``scenes`` scenes of ``samples`` samples each; the last scene is the split ``val``."""
    tables = {name: [] for name in ("scene", "sample", "ego_pose", "sample_data")}
    tables["sensor"] = [
        {"token": CAMERA, "channel": CAMERA, "modality": "camera"},
        {"token": "LIDAR_TOP", "channel": "LIDAR_TOP", "modality": "lidar"},
    ]
    tables["calibrated_sensor"] = [
        {
            "token": f"place-{row['channel']}",
            "sensor_token": row["token"],
            "translation": [0.0, 0.0, 1.5],
            # The camera looks along x, as optical axes do: x right, y down, z forward.
            "rotation": [0.5, -0.5, 0.5, -0.5] if row["channel"] == CAMERA else IDENTITY,
            "camera_intrinsic": INTRINSICS if row["channel"] == CAMERA else [],
        }
        for row in tables["sensor"]
    ]
    names = [f"scene-{number:04d}" for number in range(scenes)]
    for number in range(scenes * samples):
        _add_sample(root, tables, names[number // samples], number)
    tables["scene"] = [{"token": f"token of {name}", "name": name} for name in names]
    folder = root / VERSION
    folder.mkdir(parents=True)
    for name, rows in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(rows))
    splits = {"train": names[:-1], "val": names[-1:]}
    (folder / "splits.json").write_text(json.dumps(splits))
    return root


def _add_sample(root: Path, tables: dict[str, list], scene: str, number: int) -> None:
    token, stamp = f"sample-{number}", START_US + 500_000 * number
    tables["sample"].append(
        {"token": token, "scene_token": f"token of {scene}", "timestamp": stamp}
    )
    tables["ego_pose"].append(
        {
            "token": f"pose-{number}",
            "timestamp": stamp,
            "translation": [0.0, 0.0, 0.0],
            "rotation": IDENTITY,
        }
    )
    for channel, suffix in ((CAMERA, "jpg"), ("LIDAR_TOP", "pcd.bin")):
        tables["sample_data"].append(
            {
                "token": f"{channel}-{number}",
                "sample_token": token,
                "ego_pose_token": f"pose-{number}",
                "calibrated_sensor_token": f"place-{channel}",
                "timestamp": stamp,
                "is_key_frame": True,
                "height": 64 if channel == CAMERA else 0,
                "width": 176 if channel == CAMERA else 0,
                "filename": f"samples/{channel}/{number}.{suffix}",
            }
        )
    draw = np.random.default_rng(number)
    labels = np.full(SHAPE, FREE, np.uint8)
    labels[:, :, 1] = ROAD
    for x, y in draw.integers(20, 170, (12, 2)):
        labels[x : x + 8, y : y + 8, 2:6] = CAR
    boxes = np.argwhere(labels == CAR)
    centres = (boxes + 0.5) * 0.4 - [40.0, 40.0, 1.0] - [0.0, 0.0, 1.5]
    points = np.zeros((len(boxes), 5), "<f4")
    points[:, :3] = centres
    files = {
        f"samples/{CAMERA}/{number}.jpg": _jpeg(draw),
        f"samples/LIDAR_TOP/{number}.pcd.bin": points.tobytes(),
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    mask = np.zeros(SHAPE, np.uint8)
    near, far = draw.integers(10, 60), draw.integers(120, 190)
    mask[near:far, near:far] = 1
    gts = root / "gts" / scene / token
    gts.mkdir(parents=True)
    np.savez_compressed(gts / "labels.npz", semantics=labels, mask_camera=mask, mask_lidar=mask)


def _jpeg(draw: np.random.Generator) -> bytes:
    return cv2.imencode(".jpg", draw.integers(0, 256, (64, 176, 3), np.uint8))[1].tobytes()
