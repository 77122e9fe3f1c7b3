# SPDX-License-Identifier: Apache-2.0
"""OpenOcc with flow: 17 classes and velocities in the voxels of Occ3D.

Files: ``openocc_v2/<scene name>/<sample token>/labels.npz`` with semantics (200, 200, 16) and
flow (200, 200, 16, 2) float32 in m/s along x and y (Tong et al., "Scene as Occupancy", 2023).
There are no masks: every voxel counts.
"""

from pathlib import Path

from effocc_ros.classes import OPENOCC_FLOW
from effocc_ros.datasets.files import floats_of, labels_of, read_npz
from effocc_ros.datasets.nuscenes_dataset import NuscenesBenchmark
from effocc_ros.datasets.nuscenes_frames import BASE_FRAME
from effocc_ros.datasets.occ3d_nuscenes import labels_file
from effocc_ros.datasets.sample import Labels, LabelSpace
from effocc_ros.geometry import OCC3D_GRID

SPACE = LabelSpace(OPENOCC_FLOW, OCC3D_GRID, BASE_FRAME)


def read_labels(path: Path) -> Labels:
    """Read labels.npz; instance numbers in it are not used.

    Raises:
        InputError: The file is absent or broken, or has other arrays, shapes or labels.
    """
    shape = SPACE.grid.shape
    arrays = read_npz(path, {"semantics": shape, "flow": (*shape, 2)})
    # The list's last class is the head's spare output, which no label may use.
    return Labels(
        semantics=labels_of(path, arrays["semantics"], SPACE.classes.free + 1),
        flow=floats_of(path, "flow", arrays["flow"]),
    )


HABITS = ("openocc", "OpenOcc", "openocc_v2/openocc_v2", "openocc/openocc_v2")

BENCHMARK = NuscenesBenchmark(SPACE, "openocc_v2", labels_file, read_labels, HABITS)
