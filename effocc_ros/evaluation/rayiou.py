# SPDX-License-Identifier: Apache-2.0
"""RayIoU: occupancy scored along the rays of a simulated LiDAR.

A ray is right when the first voxel it meets is of the right class at about the right depth, so
thick walls bring nothing and every visible surface counts once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.evaluation.miou import (
    check_labels,
    check_same_classes,
    check_same_shape,
    mean_of_known,
)
from effocc_ros.evaluation.raycast import Hits, cast, lidar_directions
from effocc_ros.geometry import OCC3D_GRID, VoxelGrid
from effocc_ros.occupancy import ClassList

THRESHOLDS = (1.0, 2.0, 4.0)
"""Metres by which depths may differ."""
STEPS = 2.0**20
"""To a m/s: a flow error is counted in such steps."""
FLOW_THRESHOLD = 1
"""Position in THRESHOLDS of the hits whose flow is compared: 2 m."""
MOVING_CLASSES = (
    "car",
    "truck",
    "trailer",
    "bus",
    "construction_vehicle",
    "bicycle",
    "motorcycle",
    "pedestrian",
)
"""Classes whose flow counts."""


@dataclass(frozen=True)
class RayCounts:
    """Rays counted by class; counts of frames and processes add up.

    Attributes:
        classes: What the labels mean.
        hits: (3, C) int64 rays right in class, and in depth within each of ``THRESHOLDS``.
        truth: (C,) int64 rays of that true class.
        prediction: (C,) int64 rays of that predicted class, where the truth is not free.
        flow_error: (C,) sum of flow errors in m/s over hits within 2 m.
        flow_hits: (C,) int64 hits that went into it.
        frames: Number of frames counted.
    """

    classes: ClassList
    hits: NDArray[np.int64]
    truth: NDArray[np.int64]
    prediction: NDArray[np.int64]
    flow_error: NDArray[np.float64]
    flow_hits: NDArray[np.int64]
    frames: int = 0

    @classmethod
    def empty(cls, classes: ClassList) -> "RayCounts":
        """Return the counts of no frame, to which others are added."""
        size = len(classes.names)
        none = np.zeros(size, np.int64)
        return cls(classes, np.zeros((3, size), np.int64), none, none, np.zeros(size), none)

    def __add__(self, other: "RayCounts") -> "RayCounts":
        check_same_classes("ray counts", self.classes, other.classes)
        return RayCounts(
            self.classes,
            self.hits + other.hits,
            self.truth + other.truth,
            self.prediction + other.prediction,
            self.flow_error + other.flow_error,
            self.flow_hits + other.flow_hits,
            self.frames + other.frames,
        )

    def iou(self) -> NDArray[np.float64]:
        """(3, C) IoU of each class at 1, 2, 4 m.

        NaN for a class that no ray met, for free, and for outputs that stand for no class.
        """
        union = self.truth + self.prediction - self.hits
        iou = np.divide(self.hits, union, out=np.full(union.shape, np.nan), where=union > 0)
        iou[:, [self.classes.free, *self.classes.unused]] = np.nan
        return iou

    def ray_iou(self) -> float:
        """Mean IoU over thresholds and classes."""
        return mean_of_known(self.iou().ravel())

    def velocity_errors(self) -> NDArray[np.float64]:
        """(C,) mean flow error in m/s of each moving class; NaN where there was no hit."""
        moving = np.array([name in MOVING_CLASSES for name in self.classes.names])
        none = np.full(len(moving), np.nan)
        known = moving & (self.flow_hits > 0)
        return np.divide(self.flow_error, self.flow_hits, out=none, where=known)

    def score(self) -> float:
        """Occ score of the occupancy-and-flow benchmark: 0.9 RayIoU + 0.1 max(1 - mAVE, 0)."""
        return 0.9 * self.ray_iou() + 0.1 * max(1.0 - mean_of_known(self.velocity_errors()), 0.0)


def ray_counts(
    prediction: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    origins: NDArray[np.float64],
    classes: ClassList,
    grid: VoxelGrid = OCC3D_GRID,
    flows: tuple[NDArray, NDArray] | None = None,
) -> RayCounts:
    """Count one frame.

    Args:
        prediction: (X, Y, Z) labels.
        truth: (X, Y, Z) labels.
        origins: (T, 3) where rays start, metres in the grid's frame; see ``scene_origins``.
        classes: What the labels mean.
        grid: Place and size of the voxels, which are cubes.
        flows: Predicted and true flow, each (X, Y, Z, 2) in m/s; None for benchmarks without.

    Raises:
        InputError: Shapes differ, labels are no integers or outside the classes, or voxels are
            not cubes.
    """
    _check(prediction, truth, classes, grid, flows)
    free, directions = classes.free, lidar_directions()
    counts = RayCounts.empty(classes)
    for origin in np.asarray(origins, np.float64).reshape(-1, 3):
        ours, theirs = cast(prediction != free, truth != free, grid, origin, directions)
        counts = counts + _count(ours, theirs, prediction, truth, classes, flows)
    return RayCounts(**{**vars(counts), "frames": 1})


def _count(
    ours: Hits,
    theirs: Hits,
    prediction: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    classes: ClassList,
    flows: tuple[NDArray, NDArray] | None,
) -> RayCounts:
    size = len(classes.names)
    counted = theirs.voxel >= 0
    counted[counted] = truth.ravel()[theirs.voxel[counted]] != classes.free
    our_voxel, their_voxel = ours.voxel[counted], theirs.voxel[counted]
    our_label = prediction.ravel()[our_voxel].astype(np.int64)
    their_label = truth.ravel()[their_voxel].astype(np.int64)
    apart = np.abs(ours.depth[counted] - theirs.depth[counted])
    same = our_label == their_label
    hits = [np.bincount(their_label[same & (apart < t)], minlength=size) for t in THRESHOLDS]
    error, number = np.zeros(size), np.zeros(size, np.int64)
    if flows is not None:
        near = same & (apart < THRESHOLDS[FLOW_THRESHOLD])
        our_flow, their_flow = (flow.reshape(-1, 2) for flow in flows)
        errors = np.linalg.norm(our_flow[our_voxel[near]] - their_flow[their_voxel[near]], axis=1)
        # To a millionth of a m/s, in steps that sums of float64 keep exactly: then the order in
        # which frames and processes are added up does not matter.
        errors = np.round(errors * STEPS) / STEPS
        error = np.bincount(their_label[near], weights=errors, minlength=size)
        number = hits[FLOW_THRESHOLD]
    return RayCounts(
        classes,
        np.stack(hits),
        np.bincount(their_label, minlength=size),
        np.bincount(our_label, minlength=size),
        error,
        number,
    )


def _check(prediction, truth, classes, grid, flows) -> None:
    check_same_shape("prediction", prediction.shape, "truth", truth.shape)
    check_same_shape("truth", truth.shape, "its grid", grid.shape)
    check_labels("prediction", prediction, classes)
    check_labels("truth", truth, classes)
    for name, flow in zip(("predicted flow", "true flow"), flows or (), strict=False):
        check_same_shape(name, flow.shape, "the labels, two values each", (*truth.shape, 2))
    if len(set(grid.voxel_size)) != 1:
        raise InputError(
            "grid for RayIoU",
            found=f"voxels of {grid.voxel_size} m",
            expected="cubes",
            reason="voxels_not_cubes",
        )
