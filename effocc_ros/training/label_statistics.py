# SPDX-License-Identifier: Apache-2.0
"""What is known of the training labels before anything is learned."""

import hashlib
import json
import zipfile
import zlib
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
from effocc_ros.training.config import TrainConfig

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


def labels_counted(config: TrainConfig, class_count: int) -> str:
    """Return, as JSON, all that decides which labels are counted, and how."""
    names = ("root", "dataset", "train_split", "version", "labeled_fraction", "unlabeled")
    values = {name: getattr(config, name) for name in (*names, "unseen_weight")}
    budget = Path(config.budget).read_bytes() if config.budget else b""
    digest = hashlib.sha256(budget).hexdigest()
    return json.dumps(values | {"budget": digest, "class_count": class_count})


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


def save_statistics(path: Path, statistics: LabelStatistics, counted: str) -> None:
    """Write them as ``.npz``, whole or not at all.

    Args:
        path: The file.
        statistics: What to write.
        counted: Of which labels they are, from :func:`labels_counted`.
    """
    arrays = {"counts": statistics.counts, "majority": statistics.majority, "counted": counted}
    with whole_file(path) as partial, open(partial, "wb") as file:
        np.savez_compressed(file, **arrays)


def load_statistics(path: Path, counted: str) -> LabelStatistics | None:
    """Read what :func:`save_statistics` wrote; None if there is nothing whole of these labels."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if str(arrays["counted"]) != counted:
                return None
            return LabelStatistics(arrays["counts"], arrays["majority"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def _count(truth: Labels, class_count: int, unseen: float) -> NDArray[np.float64]:
    known = truth.semantics < class_count
    if truth.shown is not None:
        known &= truth.shown
    seen = known if truth.mask_camera is None else known & truth.mask_camera
    of_seen, of_known = (
        np.bincount(truth.semantics[counted], minlength=class_count) for counted in (seen, known)
    )
    return of_seen + unseen * (of_known - of_seen)
