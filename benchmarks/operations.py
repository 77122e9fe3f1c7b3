# SPDX-License-Identifier: Apache-2.0
"""Count what a GPU is asked to do for one frame, and what makes its host wait; needs no GPU.

    python benchmarks/operations.py --models fusion_r18 fusion_tiny

``sizes by data`` is the network as a CPU runs it and as a GPU trains it, ``static`` what the
Predictor does on a GPU. Views and empty memory are not counted. On a GPU one operation is one
kernel or a few.
"""

import argparse
from contextlib import contextmanager
from unittest.mock import patch

import torch
from network import make_frame

from effocc_ros.frame import Frame
from effocc_ros.networks import rulebook, sparse_sites
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.networks.operations import OperationCount
from effocc_ros.pipelines import DevicePipeline, HostPipeline
from effocc_ros.presets import load_preset


@contextmanager
def as_on_a_gpu():
    """Let sparse convolutions on the CPU go the way that they go on a GPU."""
    gather_scatter = patch.object(rulebook, "_InBlocks", rulebook._GatherMultiplyScatter)
    unique = patch.object(sparse_sites, "POSSIBLE_PER_KEY", 0)
    with gather_scatter, unique:
        yield


@torch.no_grad()
def by_data(model: str, frame: Frame) -> OperationCount:
    """Count the operations of a network whose sizes follow the data."""
    network = EffOcc(load_preset(model)).requires_grad_(False).fuse_for_inference()
    pipeline = HostPipeline(network)
    with as_on_a_gpu(), OperationCount() as count:
        pipeline.run(pipeline.prepare(frame))
    return count


@torch.no_grad()
def static(model: str, frame: Frame) -> OperationCount:
    """Count those between upload and result of the way that a GPU goes; nothing is computed."""
    with torch.device("meta"):
        network = EffOcc(load_preset(model))
    pipeline = DevicePipeline(network.requires_grad_(False).fuse_for_inference())
    raw = pipeline.prepare(frame)
    pipeline.compute(raw)  # What never changes is sent along with the first frame.
    with OperationCount() as count:
        pipeline.compute(raw)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["fusion_r18", "fusion_tiny"])
    parser.add_argument("--clouds", type=int, default=1, help="sweeps in the cloud")
    parser.add_argument("--only-static", action="store_true", help="quick: computes nothing")
    arguments = parser.parse_args()
    frame, origin = make_frame(arguments.clouds)
    print(f"{origin}, {arguments.clouds} sweep(s)")
    print(f"{'':16}{'':16}{'operations':>12}{'host waits':>12}")
    for model in arguments.models:
        for name, measure in (("sizes by data", by_data), ("static", static)):
            if measure is by_data and arguments.only_static:
                continue
            count = measure(model, frame)
            print(
                f"{model:16}{name:16}{count.operations.total():12}{count.waits.total():12}",
                " ".join(f"{wait}:{times}" for wait, times in count.waits.most_common(4)),
            )


if __name__ == "__main__":
    main()
