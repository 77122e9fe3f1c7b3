# SPDX-License-Identifier: Apache-2.0
"""How many LiDAR returns from still things lie in simulated voxels of their class.

    python benchmarks/street_labels.py
    python benchmarks/street_labels.py --scenes 40

The scenes are those of `effocc simulate --scenes N --keyframes 40 --seed 7`. The last column is
what no labels could surpass: a voxel's class is that of most returns of that one sweep in it.
"""

import argparse
from functools import partial

import numpy as np

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.geometry import OCC3D_GRID, transform_points
from effocc_ros.simulation.drive import Drive
from effocc_ros.simulation.nuscenes_tree import TreeConfig, drive_of_scene
from effocc_ros.simulation.processes import usable_cores, worker_pool

FREE, CLASSES = OCC3D_NUSCENES.free, len(OCC3D_NUSCENES.names)


def counts(drive: Drive, stamp: int) -> np.ndarray:
    """Count returns of still things: all, in occupied voxels, in their class, at the most."""
    sweep, labels = drive.sweep(stamp), drive.labels(stamp)
    lidar2ego = drive.rig.lidar.sensor2ego
    points = transform_points(lidar2ego, sweep.points[sweep.still, :3].astype(float))
    index, inside = OCC3D_GRID.index(points)
    voxel = np.ravel_multi_index(tuple(index[inside].T), OCC3D_GRID.shape)
    label, found = sweep.label[sweep.still][inside], labels.ravel()[voxel]
    votes = np.bincount(voxel * CLASSES + label, minlength=labels.size * CLASSES)
    best = votes.reshape(-1, CLASSES).max(axis=1).sum()
    return np.array([len(label), (found != FREE).sum(), (found == label).sum(), best])


def scene_counts(config: TreeConfig, every: int, number: int) -> np.ndarray:
    drive = drive_of_scene(config, number)
    keyframes = [instant.stamp for instant in drive.instants() if instant.keyframe]
    return sum(counts(drive, stamp) for stamp in keyframes[::every])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=2)
    parser.add_argument("--every", type=int, default=8, help="look at every so many keyframes")
    arguments = parser.parse_args()
    config = TreeConfig(arguments.scenes, keyframes=40, seed=7)
    with worker_pool(usable_cores()) as pool:
        work = partial(scene_counts, config, arguments.every)
        scenes = np.array(list(pool.map(work, range(1, config.scenes + 1))))
    shares = 100 * scenes[:, 1:] / scenes[:, :1]
    overall = 100 * scenes[:, 1:].sum(axis=0) / scenes[:, 0].sum()
    print(f"{scenes[:, 0].sum()} returns of {config.scenes} scenes of 40 keyframes")
    print(f"{'':14}{'occupied':>10}{'same class':>12}{'possible':>10}")
    for name, row in (("all", overall), ("lowest scene", shares.min(axis=0))):
        print(f"{name:14}{row[0]:>9.2f}%{row[1]:>11.2f}%{row[2]:>9.2f}%")


if __name__ == "__main__":
    main()
