"""Does onnxruntime give the voxels that torch gives?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from effocc_ros.export.halves import InOnnxruntime, in_torch, run_halves
from effocc_ros.export.sample import sample_frame
from effocc_ros.export.sides import Side
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.preprocess import preprocess

RUNS = 3
"""Runs whose median is the time of a side."""


@dataclass(frozen=True)
class Comparison:
    """One frame in onnxruntime and in torch.

    Attributes:
        voxels: How many voxels were compared.
        differing: How many of them have another label.
        classes: How many different labels torch gave: with one, little was compared.
        differences: Largest absolute difference of every output that is not labels.
        timings: Milliseconds of every side in onnxruntime, median of some runs.
        threads: Threads that each run had.
    """

    voxels: int
    differing: int
    classes: int
    differences: dict[str, float]
    timings: dict[str, float]
    threads: int


def compare(files: Mapping[str, Path], network: EffOcc, sides: Sequence[Side]) -> Comparison:
    """Run exported files and the network that they came from on the sample frame.

    Args:
        files: The file of each side, by the side's name.
        network: As it was exported.
        sides: Its halves.
    """
    inputs = preprocess(sample_frame(network.config), network.config)
    onnx, timings = InOnnxruntime(files), []
    for _ in range(RUNS):
        got = run_halves(network, inputs, onnx)
        timings.append(dict(onnx.timings))
    expected = run_halves(network, inputs, in_torch(sides))
    # Not the halves' labels: those that the network gives by itself.
    with torch.inference_mode():
        labels = network.predict_labels(**inputs.keywords())
    return Comparison(
        voxels=labels.numel(),
        differing=int((got["labels"] != labels).sum()),
        classes=len(labels.unique()),
        differences={
            name: float((got[name] - value).abs().max())
            for name, value in expected.items()
            if name != "labels"
        },
        timings={name: median(run[name] for run in timings) for name in files},
        threads=torch.get_num_threads(),
    )
