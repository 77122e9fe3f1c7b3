"""What simulated keyframes look like in numbers, next to recorded ones if there are any.

    python benchmarks/street_statistics.py
    python benchmarks/street_statistics.py --sweep one.pcd.bin --sweep two.pcd.bin \
        --labels labels.npz

Every seed is one street and one keyframe. A recorded sweep is a LIDAR_TOP file of nuScenes,
recorded labels are a labels.npz of Occ3D. A line gives the median over the keyframes, and in
brackets the lowest and the highest.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.simulation.classes import DRIVEABLE_SURFACE
from effocc_ros.simulation.drive import Drive
from effocc_ros.simulation.processes import usable_cores, worker_pool

FREE = OCC3D_NUSCENES.free
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
LAYERS = 8


def of_sweep(points: np.ndarray) -> dict[str, float]:
    """Describe a sweep (N, 5)."""
    away = np.linalg.norm(points[:, :3], axis=1)
    seen = away > 1
    found = {
        "returns beyond 1 m": seen.sum(),
        "returns from 1 to 2.5 m": (seen & (away < 2.5)).sum(),
    }
    for q in QUANTILES:
        found[f"intensity, {q:.0%} quantile"] = np.quantile(points[seen, 3], q)
    for q in QUANTILES:
        found[f"range, {q:.0%} quantile, m"] = np.quantile(away[seen], q)
    return found


def of_labels(arrays: dict[str, np.ndarray]) -> dict[str, float]:
    """Describe the arrays of a labels.npz."""
    labels, observed = arrays["semantics"], arrays["mask_camera"].astype(bool)
    found = {
        "occupied voxels": (labels != FREE).sum(),
        "occupied and observed by cameras": ((labels != FREE) & observed).sum(),
        "observed by cameras, %": 100 * observed.mean(),
        "observed by the LiDAR, %": 100 * arrays["mask_lidar"].mean(),
    }
    road = (labels == DRIVEABLE_SURFACE).sum(axis=(0, 1))
    for layer in range(LAYERS):
        found[f"road in layer {layer}, %"] = 100 * road[layer] / max(road.sum(), 1)
    return found


def simulated(first: int, number: int) -> dict[str, float]:
    """Describe the first keyframe of a street."""
    drive = Drive(first + number, 0.55)
    stamp = drive.instants()[0].stamp
    return of_sweep(drive.sweep(stamp).points) | of_labels(drive.truth(stamp))


def column(rows: list[dict[str, float]], name: str) -> str:
    values = [row[name] for row in rows if name in row]
    if not values:
        return ""
    low, middle, high = np.quantile(values, [0, 0.5, 1])
    return f"{middle:.4g}" if len(values) == 1 else f"{middle:.4g} ({low:.4g}..{high:.4g})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streets", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1000, help="of the first street")
    parser.add_argument("--sweep", type=Path, action="append", default=[])
    parser.add_argument("--labels", type=Path, action="append", default=[])
    arguments = parser.parse_args()
    with worker_pool(usable_cores()) as pool:
        work = partial(simulated, arguments.seed)
        streets = list(pool.map(work, range(arguments.streets)))
    recorded = [of_sweep(np.fromfile(f, np.float32).reshape(-1, 5)) for f in arguments.sweep]
    for file in arguments.labels:
        with np.load(file) as arrays:
            recorded.append(of_labels(dict(arrays)))
    print(f"{'':36}{f'{len(streets)} streets':>28}{'recorded':>26}")
    for name in streets[0]:
        print(f"{name:36}{column(streets, name):>28}{column(recorded, name):>26}")


if __name__ == "__main__":
    main()
