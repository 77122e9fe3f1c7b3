# SPDX-License-Identifier: Apache-2.0
"""The benchmarks by the name of their class list, as a model's preset gives it."""

from pathlib import Path

from torch.utils.data import Dataset

from effocc_ros.datasets import occ3d_nuscenes, openocc_flow, openoccupancy
from effocc_ros.datasets.nuscenes_dataset import NuscenesDataset
from effocc_ros.datasets.occ3d_waymo import SPACE as WAYMO_SPACE
from effocc_ros.datasets.occ3d_waymo import Occ3dWaymoDataset
from effocc_ros.datasets.sample import LabelSpace, Sample
from effocc_ros.errors import InputError

NUSCENES_BENCHMARKS = {
    module.BENCHMARK.space.classes.name: module.BENCHMARK
    for module in (occ3d_nuscenes, openoccupancy, openocc_flow)
}
"""Class list -> benchmark on nuScenes."""


def open_dataset(name: str, root: Path | str, split: str = "train", **options) -> Dataset[Sample]:
    """Open a benchmark's split.

    Args:
        name: Its class list: ``occ3d_nuscenes``, ``openoccupancy``, ``openocc_flow`` or
            ``occ3d_waymo``.
        root: The data set's folder.
        split: For example ``train`` or ``val``.
        options: Further arguments of :class:`NuscenesDataset` or :class:`Occ3dWaymoDataset`.

    Raises:
        InputError: No such benchmark, or it cannot be opened.
    """
    _check(name)
    if name == WAYMO_SPACE.classes.name:
        return Occ3dWaymoDataset(root, split, **options)
    return NuscenesDataset(NUSCENES_BENCHMARKS[name], root, split, **options)


def label_space(name: str) -> LabelSpace:
    """Return what a benchmark's labels mean, and where their voxels are.

    Raises:
        InputError: No such benchmark.
    """
    _check(name)
    if name == WAYMO_SPACE.classes.name:
        return WAYMO_SPACE
    return NUSCENES_BENCHMARKS[name].space


def _check(name: str) -> None:
    known = (*NUSCENES_BENCHMARKS, WAYMO_SPACE.classes.name)
    if name not in known:
        raise InputError(
            "benchmark",
            found=repr(name),
            expected=f"one of {', '.join(known)}",
            reason="unknown_benchmark",
        )
