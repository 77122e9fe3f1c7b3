"""A model's scores on the samples of a benchmark, one sample in memory at a time."""

from collections.abc import Callable, Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from effocc_ros.datasets.nuscenes_dataset import NuscenesDataset
from effocc_ros.datasets.nuscenes_tables import LIDAR, SampleRecord
from effocc_ros.datasets.sample import LabelSpace, Sample
from effocc_ros.errors import InputError
from effocc_ros.evaluation.miou import Confusion, confusion_of
from effocc_ros.evaluation.raycast import scene_origins
from effocc_ros.evaluation.rayiou import RayCounts, ray_counts
from effocc_ros.frame import Frame
from effocc_ros.geometry import VoxelGrid
from effocc_ros.occupancy import ClassList, SemanticOccupancy

MASKS = ("camera", "lidar", "none")
"""Which voxels count: those that a camera saw, that the LiDAR saw, or all."""


def evaluate(
    samples: Iterable[Sample],
    predict: Callable[[Frame], SemanticOccupancy],
    space: LabelSpace,
    *,
    mask: str = "none",
    origins: Callable[[Sample], NDArray[np.float64]] | None = None,
) -> tuple[Confusion, RayCounts | None]:
    """Score predictions, voxel by voxel and along rays.

    Args:
        samples: Labeled samples; each is read, scored and let go.
        predict: Says what fills the voxels of a Frame.
        space: What the labels mean.
        mask: One of ``MASKS``. Rays know no mask.
        origins: Returns where a sample's rays start, (T, 3) metres; None leaves RayIoU out.

    Returns:
        The confusion matrix, and the ray counts or None.

    Raises:
        InputError: A sample has no labels or no such mask, or the prediction is on other classes
            or another grid.
    """
    confusion = Confusion.empty(space.classes)
    rays = None if origins is None else RayCounts.empty(space.classes)
    for sample in samples:
        truth, counted = _truth_of(sample, mask)
        occupancy = predict(sample.frame)
        check_fits(occupancy.model, occupancy.classes, occupancy.grid, space)
        confusion += confusion_of(
            occupancy.labels, truth, space.classes, counted, ignore=space.ignore
        )
        if rays is not None:
            starts = origins(sample)
            rays += ray_counts(occupancy.labels, truth, starts, space.classes, space.grid)
    return confusion, rays


def check_fits(model: str, classes: ClassList, grid: VoxelGrid, space: LabelSpace) -> None:
    """Raise InputError unless a model's classes and grid are those of a benchmark."""
    ours, theirs = ((c.names, c.free) for c in (classes, space.classes))
    if ours != theirs:
        raise InputError(
            f"model {model}",
            found=f"the {len(classes.names)} classes of {classes.name}",
            expected=f"the {len(space.classes.names)} classes of {space.classes.name}, the data "
            "set's",
            do="Choose the data set that the model was made for",
            reason="classes_differ",
        )
    if grid != space.grid:
        raise InputError(
            f"model {model}",
            found=_said(grid),
            expected=f"{_said(space.grid)}, the grid of {space.classes.name}",
            do="Choose a model of that grid",
            reason="grids_differ",
        )


def lidar_origins(dataset: NuscenesDataset) -> Callable[[Sample], NDArray[np.float64]]:
    """Return a function that chooses where a sample's rays start, as RayIoU's authors do.

    Args:
        dataset: Whose tables know where the LiDAR was at the key frames of each scene.
    """
    records: dict[str, list[SampleRecord]] = {}
    for record in dataset.tables.samples():
        records.setdefault(record.scene, []).append(record)

    @cache
    def places(scene: str) -> NDArray[np.float64]:
        found = (dataset.tables.keyframe(record).get(LIDAR) for record in records[scene])
        return np.stack([lidar.ego2global @ lidar.sensor2ego for lidar in found if lidar])

    return lambda sample: scene_origins(places(sample.scene), sample.frame.ego2global)


def _truth_of(sample: Sample, mask: str) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    if sample.labels is None:
        raise InputError(
            f"sample {sample.token}", found="no labels", expected="labels", reason="no_labels"
        )
    known = {"camera": sample.mask_camera, "lidar": sample.mask_lidar, "none": None}
    counted = known[mask]
    if counted is None and mask != "none":
        raise InputError(
            f"mask {mask}",
            found=f"no such mask in the labels of {sample.space.classes.name}",
            expected="none",
            reason="no_mask",
        )
    return sample.labels, counted


def _said(grid: VoxelGrid) -> str:
    return f"{grid.shape} voxels of {grid.voxel_size} m from {grid.lower}"
