# SPDX-License-Identifier: Apache-2.0
"""Rows of the nuScenes tables for a simulated scene."""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effocc_ros.geometry import quaternion_of
from effocc_ros.simulation.drive import Drive, Instant
from effocc_ros.simulation.rig import SensorRig

VERSION = "v1.0-trainval"

TABLES = (
    "category",
    "attribute",
    "visibility",
    "instance",
    "sensor",
    "calibrated_sensor",
    "ego_pose",
    "log",
    "scene",
    "sample",
    "sample_data",
    "sample_annotation",
    "map",
)
"""All tables of nuScenes; those of boxes stay empty."""

Rows = dict[str, list[dict[str, Any]]]


def token(*parts: Any) -> str:
    """Return the 32 hexadecimal digits that stand for something, always the same."""
    return hashlib.md5("/".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()


def data_file(folder: str, log: str, sensor: str, stamp: int) -> str:
    """Name a sensor's file as nuScenes does, relative to the root."""
    suffix = "pcd.bin" if sensor.startswith("LIDAR") else "jpg"
    return f"{folder}/{sensor}/{log}__{sensor}__{stamp // 1000}.{suffix}"


def scene_rows(drive: Drive, name: str, camera_sweeps: bool) -> Rows:
    """List the rows of one scene.

    Args:
        drive: The drive; its keyframes become samples.
        name: Name of the scene, for example ``scene-0001``.
        camera_sweeps: Whether pictures between keyframes exist.
    """
    instants = drive.instants()
    keys = [instant for instant in instants if instant.keyframe]
    samples = _chain(
        [
            {
                "token": token(drive.seed, name, "sample", key.stamp),
                "timestamp": key.stamp // 1000,
                "scene_token": token(drive.seed, name),
            }
            for key in keys
        ]
    )
    data = _sample_data(drive, name, instants, keys, camera_sweeps)
    poses = [
        {"token": row["ego_pose_token"], "timestamp": row["timestamp"]}
        | _pose(drive.ego2map(row["timestamp"] * 1000))
        for row in data
    ]
    scene = {
        "token": token(drive.seed, name),
        "log_token": token(drive.seed, name, "log"),
        "nbr_samples": len(samples),
        "first_sample_token": samples[0]["token"],
        "last_sample_token": samples[-1]["token"],
        "name": name,
        "description": f"simulated street, seed {drive.seed}",
    }
    log = {
        "token": scene["log_token"],
        "logfile": name,
        "vehicle": "simulated",
        "date_captured": "2023-11-14",
        "location": "simulated-street",
    }
    calibrated = calibration_rows(drive.rig, drive.seed, name)
    return {
        "scene": [scene],
        "log": [log],
        "sample": samples,
        "sample_data": data,
        "ego_pose": poses,
        "calibrated_sensor": calibrated,
    }


def _sample_data(
    drive: Drive, name: str, instants: list[Instant], keys: list[Instant], camera_sweeps: bool
) -> list[dict[str, Any]]:
    lidar = drive.rig.lidar.name
    times = np.array([key.stamp for key in keys])
    chains: dict[str, list[dict[str, Any]]] = {}
    for instant in instants:
        pictures = instant.cameras if instant.keyframe or camera_sweeps else ()
        for sensor, stamp in (*pictures, (lidar, instant.stamp)):
            nearest = keys[int(np.abs(times - instant.stamp).argmin())]
            size = (0, 0) if sensor == lidar else drive.camera(sensor).image_size
            this = token(drive.seed, name, sensor, stamp)
            row = {
                "token": this,
                "sample_token": token(drive.seed, name, "sample", nearest.stamp),
                "ego_pose_token": this,
                "calibrated_sensor_token": token(drive.seed, name, "calibrated", sensor),
                "timestamp": stamp // 1000,
                "fileformat": "pcd" if sensor == lidar else "jpg",
                "is_key_frame": instant.keyframe,
                "height": size[0],
                "width": size[1],
                "filename": data_file(
                    "samples" if instant.keyframe else "sweeps", name, sensor, stamp
                ),
            }
            chains.setdefault(sensor, []).append(row)
    return [row for chain in chains.values() for row in _chain(chain)]


def _chain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Link rows in their order by ``prev`` and ``next``."""
    tokens = ["", *(row["token"] for row in rows), ""]
    return [row | {"prev": tokens[k], "next": tokens[k + 2]} for k, row in enumerate(rows)]


def _pose(transform: NDArray) -> dict[str, list[float]]:
    return {
        "rotation": [float(q) for q in quaternion_of(transform)],
        "translation": [float(x) for x in transform[:3, 3]],
    }


def splits_of(scenes: Iterable[str]) -> dict[str, list[str]]:
    """Put every fifth scene by its number into val, the others into train."""
    splits: dict[str, list[str]] = {"train": [], "val": []}
    for name in scenes:
        splits["train" if int(name.removeprefix("scene-")) % 5 else "val"].append(name)
    return splits


def calibration_rows(rig: SensorRig, seed: int, name: str) -> list[dict[str, Any]]:
    """List the calibrated sensors of a scene."""
    sensors = [(camera.name, camera.sensor2ego, camera.intrinsics) for camera in rig.cameras]
    sensors.append((rig.lidar.name, rig.lidar.sensor2ego, np.zeros((0, 3))))
    return [
        {
            "token": token(seed, name, "calibrated", sensor),
            "sensor_token": token("sensor", sensor),
            "camera_intrinsic": intrinsics.tolist(),
        }
        | _pose(sensor2ego)
        for sensor, sensor2ego, intrinsics in sensors
    ]


def common_rows(rig: SensorRig, logs: list[str], map_file: str) -> Rows:
    """List the rows that all scenes share.

    Args:
        rig: The sensors.
        logs: Tokens of the logs.
        map_file: Name of the map's picture.
    """
    names = [camera.name for camera in rig.cameras] + [rig.lidar.name]
    return {
        "sensor": [
            {
                "token": token("sensor", sensor),
                "channel": sensor,
                "modality": "lidar" if sensor == rig.lidar.name else "camera",
            }
            for sensor in names
        ],
        "map": [
            {
                "token": token("map"),
                "category": "semantic_prior",
                "filename": map_file,
                "log_tokens": logs,
            }
        ],
    }
