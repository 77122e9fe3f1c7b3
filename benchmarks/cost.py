# SPDX-License-Identifier: Apache-2.0
"""What a frame costs with more LiDAR sweeps, more cameras, and after many frames.

    python benchmarks/cost.py --model fusion_tiny
    python benchmarks/cost.py --model fusion_tiny --frames 200

CPU milliseconds of one thread, the least of some runs. Cameras beyond the sixth are the first ones
again, turned by 30 degrees. With --frames, a driving vehicle predicts one frame after the other,
and time and memory of the first and of the last quarter are compared.
"""

import argparse
import time
from dataclasses import replace
from statistics import median

import numpy as np
import torch
from network import Clock, cpu_name, make_frame, run_once

from effocc_ros.frame import Frame
from effocc_ros.geometry import rigid
from effocc_ros.memory import keep_freed_memory
from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.networks.on_cpu import use_cpu_layers
from effocc_ros.predictor import Predictor
from effocc_ros.presets import load_preset

SWEEPS = (1, 2, 5, 10, 15, 20)
CAMERAS = (1, 2, 4, 6, 9, 12)
TURN = np.pi / 6


def cost(network: EffOcc, frame: Frame, repeat: int) -> tuple[float, int]:
    """CPU milliseconds of a frame, and its LiDAR voxels."""
    clock = Clock(torch.device("cpu"))
    for _ in range(repeat):
        voxels = run_once(network, frame, clock)
    spent = sum(np.array(seconds) for seconds in clock.seconds.values())
    return 1e3 * float(spent[:, 1].min()), voxels


def with_cameras(frame: Frame, config: ModelConfig, count: int) -> tuple[Frame, ModelConfig]:
    """A frame and a network's preset of so many cameras."""
    turned = rigid([np.cos(TURN / 2), 0, 0, np.sin(TURN / 2)], [0.0, 0.0, 0.0])
    more = [
        replace(camera, name=f"{camera.name}_TURNED", sensor2ego=turned @ camera.sensor2ego)
        for camera in frame.cameras
    ]
    cameras = (*frame.cameras, *more)[:count]
    names = tuple(camera.name for camera in cameras)
    return replace(frame, cameras=cameras), replace(config, cameras=names)


def prepared(config: ModelConfig) -> EffOcc:
    """A network of random weights, as a Predictor runs it."""
    torch.manual_seed(0)
    network = EffOcc(config).requires_grad_(False).fuse_for_inference()
    return use_cpu_layers(network)


def curves(config: ModelConfig, repeat: int) -> None:
    """Print the cost of sweeps and of cameras."""
    network = prepared(config)
    if config.modality != "vision":
        print(f"{'sweeps':>8}{'points':>10}{'voxels':>10}{'ms':>8}")
        for count in SWEEPS:
            frame, _ = make_frame(count)
            milliseconds, voxels = cost(network, frame, repeat)
            points = len(frame.cloud.points)
            print(f"{count:8}{points:10}{voxels:10}{milliseconds:8.0f}", flush=True)
    if config.modality != "lidar":
        print(f"{'cameras':>8}{'ms':>8}")
        whole, _ = make_frame(1)
        for count in CAMERAS:
            frame, own = with_cameras(whole, config, count)
            milliseconds, _ = cost(prepared(own), frame, repeat)
            print(f"{count:8}{milliseconds:8.0f}", flush=True)


def over_time(model: str, frames: int) -> None:
    """Print time and memory of the first and the last quarter of many frames."""
    frame, _ = make_frame(load_preset(model).sweeps + 1)
    spent, held = [], []
    with Predictor(model, device="cpu") as predictor:
        for number in range(frames):
            # The cameras' own poses move, so that what follows from them is made anew.
            pose = rigid([1, 0, 0, 0], [0.5 * number, 0.01 * (number % 7), 0.0])
            cameras = tuple(
                replace(each, ego2global=pose @ each.ego2global) for each in frame.cameras
            )
            # The cloud's size varies too, and with it that of all made from it.
            cloud = replace(frame.cloud, points=frame.cloud.points[4000 * (number % 7) :])
            moved = replace(frame, cameras=cameras, cloud=cloud)
            started = time.process_time()
            predictor.predict(moved)
            spent.append(1e3 * (time.process_time() - started))
            held.append(resident())
    quarter = frames // 4
    for name, part in (("first", slice(0, quarter)), ("last", slice(frames - quarter, frames))):
        print(f"{name} {quarter} of {frames} frames: {median(spent[part]):.0f} ms,", end=" ")
        print(f"{median(held[part]):.0f} MiB")


def resident() -> float:
    """MiB of memory that this process holds now (Linux)."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="fusion_tiny")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--frames", type=int, default=0)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    print(f"{options.model} on {cpu_name()}, one thread")
    if options.frames:
        over_time(options.model, options.frames)
        return
    with torch.inference_mode():
        curves(load_preset(options.model), options.repeat)


if __name__ == "__main__":
    main()
