# SPDX-License-Identifier: Apache-2.0
"""What a path stands for: a bag of sensors or of occupancy, a folder with both, a data set."""

from collections.abc import Iterator
from pathlib import Path

from effocc_ros.datasets.nuscenes_tables import versions
from effocc_ros.datasets.occ3d_waymo import LABELS as WAYMO_LABELS
from effocc_ros.datasets.places import near_data_set
from effocc_ros.errors import InputError
from effocc_ros.visualization.bag_moments import (
    Choice,
    occupancy_topic,
    predicted_moments,
    recorded_moments,
)
from effocc_ros.visualization.dataset_moments import dataset_moments
from effocc_ros.visualization.scene import Moment
from effocc_ros.visualization.waymo_moments import waymo_moments

DRIVE, OCCUPANCY = "drive", "occupancy"
"""Bags in the folder that `effocc demo` leaves."""


def open_moments(path: Path, choice: Choice) -> Iterator[Moment]:
    """Read the moments of whatever a path stands for, one after another.

    Args:
        path: A bag; the folder of `effocc demo`; or that of a data set, of nuScenes or of
            Occ3D-Waymo. A bag that holds occupancy is shown as it is, unless a model is named.
        choice: What the user named.

    Raises:
        InputError: It is none of these, or cannot be read.
    """
    is_demo = all((path / name).is_dir() for name in (DRIVE, OCCUPANCY))
    if is_demo and not choice.scene:
        if choice.model:
            return predicted_moments(path / DRIVE, choice)
        return recorded_moments(path / OCCUPANCY, path / DRIVE, choice)
    if versions(path):
        return dataset_moments(path, choice)
    if (path / WAYMO_LABELS).is_dir():
        return waymo_moments(path, choice)
    data = near_data_set(path) if path.is_dir() and not any(path.glob("metadata.yaml")) else None
    if data is not None:
        raise InputError(
            f"path {path}",
            found="neither a bag nor a data set",
            expected="a bag, or the folder that samples/ is in",
            do=f"Give {data}",
            reason="no_data_set",
        )
    if choice.scene:
        raise InputError(
            f"scene {choice.scene}",
            found=f"{path}, which is no data set",
            expected="a folder of nuScenes or Occ3D-Waymo, whose scenes have names",
            do="Leave out --scene; --skip and --limit choose moments",
            reason="no_data_set",
        )
    if not choice.model and occupancy_topic(path):
        return recorded_moments(path, path, choice)
    return predicted_moments(path, choice)
