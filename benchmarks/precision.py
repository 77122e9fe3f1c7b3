# SPDX-License-Identifier: Apache-2.0
"""bfloat16 beside float32 on a CPU: time of a frame, and the voxels that differ.

    python benchmarks/precision.py fusion_tiny vision_tiny --clouds 10

Models whose weights ship: with weights that are made up most voxels are undecided, and differ.
"""

import argparse
import time

import numpy as np
import torch
from network import cpu_name, make_frame

from effocc_ros.frame import Frame
from effocc_ros.predictor import Predictor, cpu_has_bfloat16


def measure(predictor: Predictor, frame: Frame, repeat: int) -> tuple[float, np.ndarray]:
    """Return the median CPU seconds of a frame behind the first, and its labels."""
    spent = []
    for _ in range(repeat + 1):
        started = time.process_time()
        labels = predictor.predict(frame).labels
        spent.append(time.process_time() - started)
    return float(np.median(spent[1:])), labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["fusion_tiny", "lidar_tiny", "vision_tiny"])
    parser.add_argument("--clouds", type=int, default=10, help="sweeps in the cloud")
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    if not cpu_has_bfloat16():
        print("this CPU does not compute in bfloat16: nothing to measure")
        return
    torch.set_num_threads(1)
    frame, origin = make_frame(arguments.clouds)
    print(f"{cpu_name()}, one thread, {origin}, {arguments.clouds} sweep(s)")
    print(f"{'model':16}{'float32 s':>10}{'bfloat16 s':>11}{'ratio':>7}{'voxels that differ':>20}")
    for model in arguments.models:
        (exact, labels), (half, others) = (
            measure(Predictor(model, "cpu", precision), frame, arguments.repeat)
            for precision in ("float32", "bfloat16")
        )
        share = (labels != others).mean()
        print(f"{model:16}{exact:10.2f}{half:11.2f}{half / exact:7.2f}{100 * share:18.4f} %")


if __name__ == "__main__":
    main()
