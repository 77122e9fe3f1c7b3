# SPDX-License-Identifier: Apache-2.0
"""A predictor without sensors: what every score must be compared with.

It answers with what is most often in each voxel of the training labels. On streets that resemble
each other that alone finds most of the road.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.datasets.sample import Labels, LabelSpace, Sample
from effocc_ros.errors import InputError
from effocc_ros.occupancy import SemanticOccupancy

NAME = "a guess without sensors"
SAMPLES = 200
"""How many training labels are enough."""


@dataclass(frozen=True)
class Guess:
    """The most frequent class of every voxel.

    Attributes:
        space: What the labels mean.
        labels: (X, Y, Z) uint8.
        samples: From how many samples it was made.
        flow: True to answer that all stands still, for benchmarks with flow.
    """

    space: LabelSpace
    labels: NDArray[np.uint8]
    samples: int
    flow: bool = False

    @property
    def title(self) -> str:
        """What it is, for readers of scores."""
        return f"{NAME} ({self.samples} training labels)"

    def __call__(self, sample: Sample) -> SemanticOccupancy:
        """Answer for a sample, whatever its sensors saw."""
        flow = np.zeros((*self.labels.shape, 2), np.float32) if self.flow else None
        return SemanticOccupancy(
            stamp=sample.frame.stamp,
            frame_id=self.space.frame_id,
            grid=self.space.grid,
            labels=self.labels,
            classes=self.space.classes,
            flow=flow,
            model=NAME,
            trained=True,
            mode="guess",
        )


def learn_guess(truths: Iterable[Labels], space: LabelSpace) -> Guess:
    """Count the classes of every voxel.

    Args:
        truths: Training labels, one in memory at a time.
        space: What they mean; labels that do not count (``ignore``), or that a label budget
            hides, are not counted here either.

    Raises:
        InputError: There are none.
    """
    counts = np.zeros((len(space.classes.names), *space.grid.shape), np.uint16)
    samples, flow = 0, False
    for truth in truths:
        samples += 1
        flow = flow or truth.flow is not None
        shown = True if truth.shown is None else truth.shown
        for label in np.unique(truth.semantics):
            if label != space.ignore:
                counts[label] += (truth.semantics == label) & shown
    if not samples:
        raise InputError(NAME, found="no training labels", expected="at least those of one sample")
    # Where nothing was ever labeled there is nothing.
    counts[space.classes.free] += counts.max(axis=0) == 0
    return Guess(space, counts.argmax(axis=0).astype(np.uint8), samples, flow)


def training_split(split: str) -> str:
    """Return the split that a network judged on ``split`` learns from."""
    return "mini_train" if split.startswith("mini_") else "train"
