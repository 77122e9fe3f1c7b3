"""Scores of OpenOccupancy: scene completion (SC) and semantic scene completion (SSC)."""

import numpy as np
from numpy.typing import NDArray

from effocc_ros.classes import OPENOCCUPANCY
from effocc_ros.evaluation.miou import Confusion, confusion_of

NOISE = 255
"""Label of voxels that do not count."""


def openoccupancy_confusion(prediction: NDArray[np.uint8], truth: NDArray[np.uint8]) -> Confusion:
    """Count one frame; voxels whose truth is noise (255) are skipped.

    Args:
        prediction: (512, 512, 40) labels of the list ``openoccupancy``.
        truth: The same shape.

    Raises:
        InputError: Shapes differ, or a label is outside the classes.
    """
    return confusion_of(prediction, truth, OPENOCCUPANCY, ignore=NOISE)


def scene_completion(confusion: Confusion) -> float:
    """SC: IoU of "something is here", whatever it is."""
    free = confusion.classes.free
    counts = confusion.counts
    both_free = counts[free, free]
    hits = counts.sum() - counts[free].sum() - counts[:, free].sum() + both_free
    union = counts.sum() - both_free
    return float(hits / union) if union else float("nan")


def semantic_scene_completion(confusion: Confusion) -> float:
    """SSC: mean IoU over all classes but free."""
    return confusion.mean_iou()
