# SPDX-License-Identifier: Apache-2.0
"""Bags of occupancy beside the toy drive, as `effocc process` and the node leave them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from helpers.toy_drive import PERIOD, START, make_toy_bag

from effocc_ros.bags.messages import (
    occupancy_message,
    point_cloud_message,
    tf_message,
    transform_message,
)
from effocc_ros.bags.writer import BagWriter
from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.geometry import OCC3D_GRID
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.occupancy_views import labelled_points

CAR, ROAD, FREE = 4, 11, 17
SPEED = 10.0


def street(stamp: int = START, **values) -> SemanticOccupancy:
    """Return a road with a car on it, which is said to be from a trained network."""
    labels = np.full(OCC3D_GRID.shape, FREE, np.uint8)
    labels[:, :, 0] = ROAD
    labels[120:130, 110:116, 2:6] = CAR
    said = {"model": "fusion_tiny", "trained": True, "mode": "fusion", **values}
    return SemanticOccupancy(stamp, "base_link", OCC3D_GRID, labels, OCC3D_NUSCENES, **said)


def make_occupancy_bag(path: Path, stamps: tuple[int, ...]) -> Path:
    """Write occupancy at stamps, and the pose of a vehicle that drives along map's x."""
    with BagWriter(path) as writer:
        for stamp in stamps:
            pose = np.eye(4)
            pose[0, 3] = SPEED * (stamp - START) / 1e9
            transform = transform_message(stamp, "map", "base_link", pose)
            writer.write("/tf", tf_message([transform]), stamp)
            points = labelled_points(street(stamp))
            cloud = point_cloud_message(stamp, "base_link", points)
            writer.write("/effocc/occupancy", occupancy_message(street(stamp)), stamp)
            writer.write("/effocc/points", cloud, stamp)
    return path


def make_demo(folder: Path) -> Path:
    """Write what `effocc demo` leaves: a drive, occupancy of two of its moments, one's truth."""
    drive = make_toy_bag(folder / "drive", moments=4)
    make_occupancy_bag(folder / "occupancy", (START + PERIOD, START + 3 * PERIOD))
    truth = replace(street(), labels=np.where(street().labels == CAR, FREE, street().labels))
    (drive / "truth").mkdir()
    arrays = {"semantics": truth.labels, "mask_camera": np.ones_like(truth.labels)}
    np.savez_compressed(drive / "truth" / f"{START + PERIOD}.npz", **arrays)
    return folder
