# SPDX-License-Identifier: Apache-2.0
"""Time what is done with a whole grid: pictures, RayIoU.

    python benchmarks/street.py

The grid is the truth of a simulated keyframe, and the prediction is that truth one voxel off.
"""

import argparse
import platform
import time
from dataclasses import replace
from statistics import median

import numpy as np

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.evaluation.rayiou import ray_counts
from effocc_ros.frame import Camera, Frame
from effocc_ros.geometry import OCC3D_GRID
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.simulation.drive import Drive
from effocc_ros.visualization import draw_overview


def simulated_keyframe() -> tuple[Frame, SemanticOccupancy]:
    drive = Drive(seed=0, duration_s=0.5)
    instant = next(instant for instant in drive.instants() if instant.keyframe)
    labels = drive.labels(instant.stamp)
    cameras = []
    for name, stamp in instant.cameras:
        mount = drive.camera(name)
        image = drive.picture(name, stamp)
        pose = drive.ego2map(stamp)
        cameras.append(Camera(name, image, mount.intrinsics, mount.sensor2ego, pose, stamp))
    frame = Frame(instant.stamp, "base_link", tuple(cameras), None, drive.ego2map(instant.stamp))
    truth = SemanticOccupancy(instant.stamp, "base_link", OCC3D_GRID, labels, OCC3D_NUSCENES)
    return frame, truth


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    frame, truth = simulated_keyframe()
    shifted = replace(truth, labels=np.roll(truth.labels, 1, axis=0))
    origins = np.array([(x, 0.3, 1.8) for x in np.linspace(-35, 35, 8)])
    jobs = {
        "overview picture": lambda: draw_overview(frame, truth),
        "RayIoU, 8 origins": lambda: ray_counts(
            shifted.labels, truth.labels, origins, OCC3D_NUSCENES
        ),
    }
    print(f"{platform.processor() or platform.machine()}, median of {repeat}")
    print(f"{int(truth.occupied.sum())} occupied voxels, {int(truth.visible().sum())} visible")
    for name, job in jobs.items():
        times = []
        for _ in range(repeat):
            start = time.perf_counter()
            job()
            times.append(1e3 * (time.perf_counter() - start))
        print(f"{name:<20} {median(times):8.1f} ms")


if __name__ == "__main__":
    main()
