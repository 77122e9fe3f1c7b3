# SPDX-License-Identifier: Apache-2.0
"""Voxel by voxel: confusion matrices, IoU of each class, and their mean."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.occupancy import ClassList


@dataclass(frozen=True)
class Confusion:
    """How often each true class was called what; matrices of frames and processes add up.

    Attributes:
        classes: What the labels mean.
        counts: (C, C) int64 voxels; rows are true classes, columns predicted ones.
        frames: Number of frames counted.
    """

    classes: ClassList
    counts: NDArray[np.int64]
    frames: int = 0

    @classmethod
    def empty(cls, classes: ClassList) -> "Confusion":
        """Return the matrix of no frame, to which others are added."""
        size = len(classes.names)
        return cls(classes, np.zeros((size, size), np.int64))

    def __add__(self, other: "Confusion") -> "Confusion":
        check_same_classes("confusion matrices", self.classes, other.classes)
        return Confusion(self.classes, self.counts + other.counts, self.frames + other.frames)

    def iou(self) -> NDArray[np.float64]:
        """(C,) intersection over union of each class.

        NaN for a class neither true nor predicted, and for outputs that stand for no class.
        """
        hits = np.diag(self.counts).astype(np.float64)
        union = self.counts.sum(axis=0) + self.counts.sum(axis=1) - hits
        iou = np.divide(hits, union, out=np.full_like(hits, np.nan), where=union > 0)
        iou[list(self.classes.unused)] = np.nan
        return iou

    def mean_iou(self) -> float:
        """Mean IoU over the classes that occur, free left out; NaN when there is none."""
        return mean_of_known(self.iou()[list(self.classes.scored)])

    def geometric_iou(self) -> float:
        """IoU of "something is here", whatever it is; OpenOccupancy's SC. NaN when all is free."""
        free = self.classes.free
        both_free = self.counts[free, free]
        union = self.counts.sum() - both_free
        hits = union - self.counts[free].sum() - self.counts[:, free].sum() + 2 * both_free
        return float(hits / union) if union else float("nan")


def confusion_of(
    prediction: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    classes: ClassList,
    mask: NDArray[np.bool_] | None = None,
    ignore: int | None = None,
) -> Confusion:
    """Count one frame.

    For Occ3D the mask is ``mask_camera``, for LiDAR-centred comparisons ``mask_lidar``.

    Args:
        prediction: (X, Y, Z) labels.
        truth: (X, Y, Z) labels.
        classes: What the labels mean.
        mask: (X, Y, Z) true where voxels count; all do when absent.
        ignore: A label of ``truth`` that is outside the classes and not counted.

    Raises:
        InputError: Shapes differ, labels are no integers, or one is outside the classes.
    """
    check_same_shape("prediction", prediction.shape, "truth", truth.shape)
    if mask is not None:
        check_same_shape("mask", np.shape(mask), "truth", truth.shape)
        counted = np.asarray(mask, bool)
        prediction, truth = prediction[counted], truth[counted]
    prediction, truth = prediction.reshape(-1), truth.reshape(-1)
    if ignore is not None:
        counted = truth != ignore
        prediction, truth = prediction[counted], truth[counted]
    check_labels("prediction", prediction, classes)
    check_labels("truth", truth, classes)
    size = len(classes.names)
    pairs = truth.astype(np.int64) * size + prediction.astype(np.int64)
    counts = np.bincount(pairs, minlength=size * size).reshape(size, size)
    return Confusion(classes, counts, frames=1)


def mean_of_known(values: NDArray[np.float64]) -> float:
    """Mean of the values that are not NaN; NaN when there is none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def check_same_shape(name: str, shape: tuple, other_name: str, other_shape: tuple) -> None:
    """Raise InputError unless two shapes are equal."""
    if tuple(shape) != tuple(other_shape):
        raise InputError(
            name,
            found=f"shape {tuple(shape)}",
            expected=f"{tuple(other_shape)}, the shape of {other_name}",
            reason="shapes_differ",
        )


def check_same_classes(what: str, classes: ClassList, other: ClassList) -> None:
    """Raise InputError unless two class lists agree."""
    if (classes.names, classes.free) != (other.names, other.free):
        raise InputError(
            what,
            found=f"the {len(other.names)} classes of {other.name}",
            expected=f"the {len(classes.names)} classes of {classes.name}",
            reason="classes_differ",
        )


def check_integers(name: str, labels: NDArray) -> None:
    """Raise InputError unless labels are integers, of whichever size."""
    if not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"labels of the {name}",
            found=f"dtype {labels.dtype}",
            expected="integers",
            do="Give the number of each voxel's class, not scores or a mask",
            reason="labels_no_integers",
        )


def check_labels(name: str, labels: NDArray, classes: ClassList) -> None:
    """Raise InputError if labels are no integers, or one is outside a class list."""
    check_integers(name, labels)
    if labels.size == 0:
        return
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= len(classes.names):
        raise InputError(
            f"labels of the {name}",
            found=f"{lowest} to {highest}",
            expected=f"0 to {len(classes.names) - 1}, the classes of {classes.name}",
            do="Choose the class list that the labels were made with",
            reason="labels_out_of_range",
        )
