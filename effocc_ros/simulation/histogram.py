# SPDX-License-Identifier: Apache-2.0
"""How often each class is in the labels of a simulation."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from effocc_ros.classes import OCC3D_NUSCENES


def label_histogram(files: Iterable[Path]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the classes in labels.

    Args:
        files: .npz files with the array ``semantics``, class numbers of Occ3D.

    Returns:
        For each class (18,) its number of voxels, and the number of files that have it.
    """
    count = len(OCC3D_NUSCENES.names)
    voxels, present = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for file in files:
        with np.load(file) as arrays:
            found = np.bincount(arrays["semantics"].ravel(), minlength=count)
        voxels += found
        present += found > 0
    return voxels, present


def label_table(files: Iterable[Path]) -> str:
    """Return the histogram as text, a line for each class but free.

    Args:
        files: As for ``label_histogram``.
    """
    files = tuple(files)
    voxels, present = label_histogram(files)
    occupied = [k for k in range(len(voxels)) if k != OCC3D_NUSCENES.free]
    total = max(int(voxels[occupied].sum()), 1)
    lines = [f"{'class':<22}{'voxels':>12}{'part':>9}   keyframes that have it"]
    lines += [
        f"{OCC3D_NUSCENES.names[k]:<22}{voxels[k]:>12}{voxels[k] / total:>9.2%}   "
        f"{present[k]} of {len(files)}"
        for k in occupied
    ]
    return "\n".join(lines)
