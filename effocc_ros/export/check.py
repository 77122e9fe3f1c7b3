# SPDX-License-Identifier: Apache-2.0
"""Does onnxruntime give the voxels that torch gives?"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from effocc_ros.export.halves import InOnnxruntime, in_torch, run_halves
from effocc_ros.export.sample import sample_frame
from effocc_ros.export.sides import sides_of
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.preprocess import preprocess

RUNS = 3
"""Runs whose median is the time of a side."""
TIE = 1e-5
"""Classes are tied when their logits differ by no more than this part of the voxel's largest.

Both runtimes add float32 numbers, each in its own order. Between classes as close as that, the
order decides, and torch does not agree with itself either: on another CPU, or with other threads.
"""


@dataclass(frozen=True)
class Comparison:
    """One frame in onnxruntime and in torch.

    Attributes:
        voxels: How many voxels were compared.
        differing: How many of them have another label.
        tied: How many of the differing ones are ties: torch cannot tell the two labels apart.
        classes: How many different labels torch gave: with one, little was compared.
        differences: Largest absolute difference of every output that is not labels.
        timings: Milliseconds of every side in onnxruntime, median of some runs.
        threads: Threads that each run had.
    """

    voxels: int
    differing: int
    tied: int
    classes: int
    differences: dict[str, float]
    timings: dict[str, float]
    threads: int

    @property
    def same(self) -> bool:
        """True if no voxel differs but where classes are tied."""
        return self.differing == self.tied


def compare(files: Mapping[str, Path], network: EffOcc) -> Comparison:
    """Run exported files and the network that they came from on the sample frame.

    Args:
        files: The file of each side, by the side's name.
        network: As it was exported.
    """
    inputs = preprocess(sample_frame(network.config), network.config)
    onnx, timings = InOnnxruntime(files), []
    for _ in range(RUNS):
        got = run_halves(network, inputs, onnx)
        timings.append(dict(onnx.timings))
    expected = run_halves(network, inputs, in_torch(sides_of(network, logits=True)))
    with torch.inference_mode():
        # Not the labels of the halves: those that the network gives by itself.
        labels, _, _ = network.predict_labels(**inputs.keywords())
    differing = got["labels"] != labels
    tied = ties(expected["logits"][differing], labels[differing], got["labels"][differing])
    return Comparison(
        voxels=labels.numel(),
        differing=int(differing.sum()),
        tied=int(tied.sum()),
        classes=len(labels.unique()),
        differences={
            name: float((value - expected[name]).abs().max())
            for name, value in got.items()
            if name != "labels"
        },
        timings={name: median(run[name] for run in timings) for name in files},
        threads=torch.get_num_threads(),
    )


def ties(logits: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Tell where two labels are equally good.

    Args:
        logits: (M, classes) of M voxels.
        first: (M,) uint8 labels.
        second: (M,) uint8 other labels.

    Returns:
        (M,) bool, True where their logits are closer than rounding can tell.
    """
    one, other = (logits.gather(1, labels.long()[:, None])[:, 0] for labels in (first, second))
    return (one - other).abs() <= TIE * logits.abs().amax(dim=1)
