# SPDX-License-Identifier: Apache-2.0
"""Occ3D-nuScenes: 18 classes in 0.4 m voxels, ego frame at the key LiDAR sweep.

Files: ``gts/<scene name>/<sample token>/labels.npz`` with semantics, mask_lidar and mask_camera,
each (200, 200, 16) uint8 in the order x, y, z (Tian et al., "Occ3D", 2023). Labels that others
made in this form often lack the masks.
"""

from pathlib import Path

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.datasets.files import labels_of, mask_of, read_npz
from effocc_ros.datasets.nuscenes_dataset import NuscenesBenchmark
from effocc_ros.datasets.nuscenes_frames import BASE_FRAME
from effocc_ros.datasets.nuscenes_tables import SampleRecord
from effocc_ros.datasets.sample import Labels, LabelSpace
from effocc_ros.geometry import OCC3D_GRID

SPACE = LabelSpace(OCC3D_NUSCENES, OCC3D_GRID, BASE_FRAME)
MASKS = ("mask_lidar", "mask_camera")
KEYS = ("semantics", *MASKS)


def labels_file(sample: SampleRecord) -> Path:
    """Return the path of a sample's labels below ``gts``."""
    return Path(sample.scene, sample.token, "labels.npz")


def read_labels(path: Path) -> Labels:
    """Read labels.npz; a mask that it lacks is None.

    Raises:
        InputError: The file is absent or broken, or has other arrays, shapes or labels.
    """
    arrays = read_npz(path, dict.fromkeys(KEYS, SPACE.grid.shape), MASKS)
    masks = {name: mask_of(path, name, arrays[name]) for name in MASKS if name in arrays}
    return Labels(
        semantics=labels_of(path, arrays["semantics"], len(SPACE.classes.names)), **masks
    )


_NAMES = ("occ3d", "Occ3D", "Occ3D-nuScenes", "occ3d_nuscenes", "gts", "trainval", "mini")
HABITS = tuple(
    f"{name}{end}" for name in _NAMES for end in ("", "/gts", "/trainval/gts", "/mini/gts")
)

BENCHMARK = NuscenesBenchmark(SPACE, "gts", labels_file, read_labels, HABITS)
