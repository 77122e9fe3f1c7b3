# SPDX-License-Identifier: Apache-2.0
"""bfloat16 beside float32 on a CPU: time of a frame, and the voxels that differ.

    python benchmarks/precision.py fusion_tiny vision_tiny --clouds 10

Models whose weights ship; with made-up weights most voxels are undecided, and more differ.

    python benchmarks/precision.py fusion_r18 --parts

Which parts of a network may round: each one alone in bfloat16, with made-up weights.
"""

import argparse
import time

import numpy as np
import torch
from against import fill
from network import cpu_name, make_frame
from torch import Tensor, nn

from effocc_ros.frame import Frame
from effocc_ros.memory import keep_freed_memory
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.networks.half_precision import ENCODERS, HalfPrecision, encode_in
from effocc_ros.precisions import cpu_has_bfloat16
from effocc_ros.predictor import Predictor
from effocc_ros.preprocess import preprocess
from effocc_ros.presets import load_preset

HEAD = "occ_head"


class HalfHead(nn.Module):
    """A head that works in bfloat16."""

    def __init__(self, head: nn.Module):
        super().__init__()
        self.head = head

    def labels(self, bev: Tensor, confidence: bool) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """As the head's."""
        with torch.autocast("cpu", torch.bfloat16):
            return self.head.labels(bev, confidence)


def measure(predictor: Predictor, frame: Frame, repeat: int) -> tuple[float, np.ndarray]:
    """Return the median CPU seconds of a frame behind the first, and its labels."""
    spent = []
    for _ in range(repeat + 1):
        started = time.process_time()
        labels = predictor.predict(frame).labels
        spent.append(time.process_time() - started)
    return float(np.median(spent[1:])), labels


def compare(models: list[str], frame: Frame, repeat: int) -> None:
    print(f"{'model':16}{'float32 s':>10}{'bfloat16 s':>11}{'ratio':>7}{'voxels that differ':>20}")
    for model in models:
        (exact, labels), (half, others) = (
            measure(Predictor(model, "cpu", precision), frame, repeat)
            for precision in ("float32", "bfloat16")
        )
        share = (labels != others).mean()
        print(f"{model:16}{exact:10.2f}{half:11.2f}{half / exact:7.2f}{100 * share:18.4f} %")


@torch.inference_mode()
def round_parts(model: str, frame: Frame) -> None:
    """Print how many voxels differ for each part that rounds, for all, and for the encoders."""
    network = EffOcc(load_preset(model)).requires_grad_(False)
    fill(network)
    network = network.fuse_for_inference()
    inputs = preprocess(frame, network.config).keywords()
    exact = network.predict_labels(**inputs)[0]

    def show(what: str) -> None:
        share = (network.predict_labels(**inputs)[0] != exact).float().mean()
        print(f"{model:16}{what:28}{100 * share:10.4f} % of the voxels differ", flush=True)

    parts = {name: part for name, part in network.named_children() if list(part.parameters())}
    for name, part in parts.items():
        half = HalfHead(part) if name == HEAD else HalfPrecision(part, torch.bfloat16)
        setattr(network, name, half)
        show(name)
        setattr(network, name, part)
    with torch.autocast("cpu", torch.bfloat16):
        show("all")
    encode_in(network, torch.bfloat16)
    show(" + ".join(name for name in ENCODERS if name in parts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["fusion_tiny", "lidar_tiny", "vision_tiny"])
    parser.add_argument("--clouds", type=int, default=10, help="sweeps in the cloud")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--parts", action="store_true", help="let each part round alone")
    arguments = parser.parse_args()
    keep_freed_memory()
    if not cpu_has_bfloat16():
        print("this CPU is no faster in bfloat16: nothing to measure")
        return
    torch.set_num_threads(1)
    frame, origin = make_frame(arguments.clouds)
    print(f"{cpu_name()}, one thread, {origin}, {arguments.clouds} sweep(s)")
    if not arguments.parts:
        compare(arguments.models, frame, arguments.repeat)
        return
    for model in arguments.models:
        round_parts(model, frame)


if __name__ == "__main__":
    main()
