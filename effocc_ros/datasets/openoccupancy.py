# SPDX-License-Identifier: Apache-2.0
"""nuScenes-Occupancy (OpenOccupancy): 17 classes in 0.2 m voxels, LiDAR frame.

Files: ``nuScenes-Occupancy-v0.1/scene_<scene token>/occupancy/<LiDAR token>.npy``, (N, 4): z, y, x
of a voxel and its class (a velocity may stand between), where the class 0 is noise (Wang et al.,
"OpenOccupancy", 2023). There are no masks: every voxel but noise counts.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from effocc_ros.classes import OPENOCCUPANCY
from effocc_ros.datasets.files import read_npy
from effocc_ros.datasets.nuscenes_dataset import NuscenesBenchmark
from effocc_ros.datasets.nuscenes_tables import LIDAR, SampleRecord
from effocc_ros.datasets.sample import Labels, LabelSpace
from effocc_ros.errors import InputError
from effocc_ros.geometry import VoxelGrid

GRID = VoxelGrid(lower=(-51.2, -51.2, -5.0), voxel_size=(0.2, 0.2, 0.2), shape=(512, 512, 40))
NOISE = 255
SPACE = LabelSpace(OPENOCCUPANCY, GRID, LIDAR, ignore=NOISE)


def labels_file(sample: SampleRecord) -> Path:
    """Return the path of a sample's labels below ``nuScenes-Occupancy-v0.1``."""
    return Path(f"scene_{sample.scene_token}", "occupancy", f"{sample.lidar_token}.npy")


def read_labels(path: Path) -> Labels:
    """Read an .npy file; a voxel with several entries gets the most frequent class.

    Raises:
        InputError: The file is absent or broken, or has another shape, voxels or classes.
    """
    rows = read_npy(path, (None, None))
    if rows.shape[1] not in (4, 7):
        raise _bad(path, f"shape {rows.shape}", "(N, 4): z, y, x, class")
    with np.errstate(invalid="ignore"):  # what is no number becomes a voxel outside of the grid
        rows = rows[:, [2, 1, 0, -1]].astype(np.int64)
    if rows.min() < 0 or (rows[:, :3] >= GRID.shape).any():
        found = f"voxels up to {tuple(rows[:, :3].max(0).tolist())} in the order x, y, z"
        raise _bad(path, found, f"voxels of a grid of {GRID.shape}")
    if rows[:, 3].max() >= len(OPENOCCUPANCY.names):
        raise _bad(path, f"class {rows[:, 3].max()}", "classes from 0 (noise) to 16")
    return Labels(semantics=_voted(rows))


def _voted(rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(512, 512, 40) label of each voxel: the most frequent; of equals the lowest, noise last."""
    labels = np.where(rows[:, 3] == 0, NOISE, rows[:, 3])
    voxels = np.ravel_multi_index(tuple(rows[:, :3].T), GRID.shape)
    pairs, counts = np.unique(voxels * 256 + labels, return_counts=True)
    # Stable: pairs are in the order of voxel and label.
    order = np.lexsort((-counts, pairs >> 8))
    voxels, first = np.unique(pairs[order] >> 8, return_index=True)
    semantics = np.full(GRID.shape, OPENOCCUPANCY.free, np.uint8)
    semantics.reshape(-1)[voxels] = pairs[order][first] & 255
    return semantics


def _bad(path: Path, found: str, expected: str) -> InputError:
    return InputError(
        f"file {path}", found=found, expected=expected, do="Copy it again", reason="bad_file"
    )


_NAME = "nuScenes-Occupancy-v0.1"
HABITS = ("nuScenes-Occupancy", f"nuScenes-Occupancy/{_NAME}", f"{_NAME}/{_NAME}")

BENCHMARK = NuscenesBenchmark(SPACE, _NAME, labels_file, read_labels, HABITS)
