# SPDX-License-Identifier: Apache-2.0
"""Models' scores on the samples of a benchmark, one sample in memory at a time."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Executor, Future
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from effocc_ros.datasets.nuscenes_dataset import NuscenesDataset
from effocc_ros.datasets.nuscenes_tables import LIDAR, SampleRecord
from effocc_ros.datasets.sample import Labels, LabelSpace, Sample
from effocc_ros.errors import InputError
from effocc_ros.evaluation.miou import Confusion, confusion_of
from effocc_ros.evaluation.raycast import scene_origins
from effocc_ros.evaluation.rayiou import RayCounts, ray_counts
from effocc_ros.frame import Frame
from effocc_ros.geometry import VoxelGrid
from effocc_ros.occupancy import ClassList, SemanticOccupancy

PENDING = 32
"""Frames whose scores other processes may owe."""

Predict = Callable[[Sample], SemanticOccupancy]
"""Says what fills the voxels of a sample; looks at its sensors, not at its labels."""
Origins = Callable[[Sample], NDArray[np.float64]]
"""Returns where a sample's rays start, (T, 3) metres."""


class Scores(NamedTuple):
    """What a model's predictions are worth.

    Attributes:
        confusion: Voxel by voxel.
        rays: Along rays; None where that was not asked for.
    """

    confusion: Confusion
    rays: RayCounts | None

    @classmethod
    def empty(cls, space: LabelSpace, rays: bool) -> "Scores":
        """Return the scores of no frame, to which others are joined."""
        counts = RayCounts.empty(space.classes) if rays else None
        return cls(Confusion.empty(space.classes), counts)

    def joined(self, other: "Scores") -> "Scores":
        """Return the scores of both sets of frames together."""
        rays = None if self.rays is None else self.rays + other.rays
        return Scores(self.confusion + other.confusion, rays)


def evaluate(
    samples: Iterable[Sample],
    predict: Callable[[Frame], SemanticOccupancy],
    space: LabelSpace,
    *,
    mask: str = "none",
    origins: Origins | None = None,
) -> Scores:
    """Score what a model says of Frames; for the rest see :func:`evaluate_all`."""
    predictors = {"": lambda sample: predict(sample.frame)}
    return evaluate_all(samples, predictors, space, mask=mask, origins=origins)[""]


def evaluate_all(
    samples: Iterable[Sample],
    predictors: Mapping[str, Predict],
    space: LabelSpace,
    *,
    mask: str = "none",
    origins: Origins | None = None,
    without_rays: Collection[str] = (),
    pool: Executor | None = None,
) -> dict[str, Scores]:
    """Score several predictors on the same samples, voxel by voxel and along rays.

    Args:
        samples: Labeled samples; each is read, scored and let go.
        predictors: The predictors by name.
        space: What the labels mean.
        mask: Which voxels count: those that the ``camera`` or the ``lidar`` saw, or all
            (``none``). Rays know no mask.
        origins: Where rays start; None leaves RayIoU out.
        without_rays: Names of predictors that RayIoU is left out of, for it takes time.
        pool: Processes that count; None counts here.

    Returns:
        The scores by name.

    Raises:
        InputError: A sample has no labels or no such mask, or a prediction is on other classes
            or another grid.
    """
    rayed = set() if origins is None else set(predictors) - set(without_rays)
    totals = {name: Scores.empty(space, name in rayed) for name in predictors}
    pending: deque[tuple[str, Future]] = deque()
    for sample in samples:
        truth, counted = _truth_of(sample, mask)
        starts = origins(sample) if rayed else None
        for name, predict in predictors.items():
            occupancy = predict(sample)
            check_fits(occupancy.model, occupancy.classes, occupancy.grid, space)
            begin = starts if name in rayed else None
            task = (occupancy.labels, occupancy.flow, truth, counted, begin, space)
            if pool is None:
                totals[name] = totals[name].joined(frame_scores(*task))
            else:
                pending.append((name, pool.submit(frame_scores, *task)))
        while len(pending) > PENDING:
            _join_oldest(totals, pending)
    while pending:
        _join_oldest(totals, pending)
    return totals


def frame_scores(
    labels: NDArray[np.uint8],
    flow: NDArray[np.float32] | None,
    truth: Labels,
    counted: NDArray[np.bool_] | None,
    starts: NDArray[np.float64] | None,
    space: LabelSpace,
) -> Scores:
    """Score one prediction.

    Args:
        labels: (X, Y, Z) predicted labels.
        flow: (X, Y, Z, 2) predicted flow in m/s, or None; scored where the truth has one.
        truth: The labels.
        counted: (X, Y, Z) true where voxels count, or None.
        starts: (T, 3) metres where rays start; None casts none.
        space: What the labels mean.
    """
    confusion = confusion_of(labels, truth.semantics, space.classes, counted, ignore=space.ignore)
    if starts is None:
        return Scores(confusion, None)
    flows = None if flow is None or truth.flow is None else (flow, truth.flow)
    rays = ray_counts(labels, truth.semantics, starts, space.classes, space.grid, flows)
    return Scores(confusion, rays)


def _join_oldest(totals: dict[str, Scores], pending: deque[tuple[str, Future]]) -> None:
    name, future = pending.popleft()
    totals[name] = totals[name].joined(future.result())


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


def _truth_of(sample: Sample, mask: str) -> tuple[Labels, NDArray[np.bool_] | None]:
    if sample.truth is None:
        raise InputError(
            f"sample {sample.token}", found="no labels", expected="labels", reason="no_labels"
        )
    known = {"camera": sample.mask_camera, "lidar": sample.mask_lidar, "none": None}
    counted = known[mask]
    if counted is None and mask != "none":
        raise InputError(
            f"mask {mask} of sample {sample.token}",
            found=f"no such mask in the labels of {sample.space.classes.name}",
            expected="none",
            do="Give --mask none: every voxel counts; the figures are not those of the benchmark",
            reason="no_mask",
        )
    return sample.truth, counted


def _said(grid: VoxelGrid) -> str:
    return f"{grid.shape} voxels of {grid.voxel_size} m from {grid.lower}"
