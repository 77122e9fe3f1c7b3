# SPDX-License-Identifier: Apache-2.0
"""What is known of the training labels before anything is learned."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from effocc_ros.datasets.sample import Labels, Sample
from effocc_ros.errors import InputError
from effocc_ros.evaluation.guess import learn_guess
from effocc_ros.evaluation.reading import evenly
from effocc_ros.files import whole_file

SAMPLES = 200
"""Samples that are counted, evenly spaced: more hardly change a frequency."""


@dataclass(frozen=True, eq=False)
class LabelStatistics:
    """How often each class occurs, in all and at each place.

    Attributes:
        counts: (C,) float64 voxels of each class, each as often as the loss counts it.
        majority: (X, Y, Z) uint8, the most frequent label of each voxel: the best guess of one
            who sees nothing.
    """

    counts: NDArray[np.float64]
    majority: NDArray[np.uint8]


def count_labels(
    dataset: Dataset[Sample], class_count: int, *, unseen: float, limit: int = SAMPLES
) -> LabelStatistics:
    """Count the labels of a training split.

    Args:
        dataset: The split; samples whose labels are hidden are left out.
        class_count: Number of classes.
        unseen: Weight in the loss of voxels that no camera saw, 0 to 1.
        limit: Samples to read at most.

    Raises:
        InputError: No sample has labels, or a file is broken.
    """
    known = [index for index in range(len(dataset)) if dataset.is_labeled(index)]
    if not known:
        raise InputError(
            "training split",
            found=f"{len(dataset)} samples, none with labels",
            expected="at least one with labels",
            do="Choose a larger label budget",
            reason="no_labels",
        )
    counts = np.zeros(class_count)

    def truths() -> Iterator[Labels]:
        for place in evenly(len(known), limit):
            truth = dataset[known[place]].truth
            counts[:] += _count(truth, class_count, unseen)
            yield truth

    return LabelStatistics(counts, learn_guess(truths(), dataset.space).labels)


def save_statistics(path: Path, statistics: LabelStatistics) -> None:
    """Write them as ``.npz``, whole or not at all."""
    with whole_file(path) as partial, open(partial, "wb") as file:
        np.savez_compressed(file, counts=statistics.counts, majority=statistics.majority)


def load_statistics(path: Path) -> LabelStatistics | None:
    """Read what :func:`save_statistics` wrote; None if there is nothing."""
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as arrays:
        return LabelStatistics(arrays["counts"], arrays["majority"])


def _count(truth: Labels, class_count: int, unseen: float) -> NDArray[np.float64]:
    known = truth.semantics < class_count
    if truth.shown is not None:
        known &= truth.shown
    seen = known if truth.mask_camera is None else known & truth.mask_camera
    of_seen, of_known = (
        np.bincount(truth.semantics[counted], minlength=class_count) for counted in (seen, known)
    )
    return of_seen + unseen * (of_known - of_seen)
