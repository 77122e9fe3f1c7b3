# SPDX-License-Identifier: Apache-2.0
"""What the keyframes of a data set look like in numbers, a simulated one next to a recorded one.

    effocc simulate --out street --scenes 40 --keyframes 4 --seed 7
    python benchmarks/street_statistics.py street /data/nuscenes
    python benchmarks/street_statistics.py street --sweep one.pcd.bin --labels labels.npz

A root is a folder in the files of nuScenes and Occ3D; single recorded files make the last column.
A line gives the median over the keyframes, and in brackets the 10 % and the 90 % quantile.
"""

import argparse
from pathlib import Path

import numpy as np

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.simulation.classes import DRIVEABLE_SURFACE

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
    by_lidar = arrays["mask_lidar"].astype(bool)
    seen_road = (labels == DRIVEABLE_SURFACE) & by_lidar
    found = {
        "occupied voxels": (labels != FREE).sum(),
        "occupied and observed by cameras": ((labels != FREE) & observed).sum(),
        "free and observed by cameras": ((labels == FREE) & observed).sum(),
        "road of the LiDAR also of cameras, %": 100 * observed[seen_road].mean(),
        "observed by cameras, %": 100 * observed.mean(),
        "observed by the LiDAR, %": 100 * by_lidar.mean(),
    }
    road = (labels == DRIVEABLE_SURFACE).sum(axis=(0, 1))
    for layer in range(LAYERS):
        found[f"road in layer {layer}, %"] = 100 * road[layer] / max(road.sum(), 1)
    return found


def some(files: list[Path], most: int) -> list[Path]:
    """Choose files evenly."""
    files = sorted(files)
    return files[:: max(1, len(files) // most)][:most]


def describe(sweeps: list[Path], labels: list[Path]) -> list[dict[str, float]]:
    """Describe files one by one."""
    rows = [of_sweep(np.fromfile(file, np.float32).reshape(-1, 5)) for file in sweeps]
    for file in labels:
        with np.load(file) as arrays:
            rows.append(of_labels(dict(arrays)))
    return rows


def cell(rows: list[dict[str, float]], name: str) -> str:
    values = [row[name] for row in rows if name in row]
    if not values:
        return ""
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
    return f"{middle:.4g}" if len(values) < 3 else f"{middle:.4g} ({low:.4g}..{high:.4g})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("roots", type=Path, nargs="*")
    parser.add_argument("--sweep", type=Path, action="append", default=[])
    parser.add_argument("--labels", type=Path, action="append", default=[])
    parser.add_argument("--most", type=int, default=200, help="keyframes of a root (%(default)s)")
    arguments = parser.parse_args()
    columns = {}
    for root in arguments.roots:
        sweeps = some(list((root / "samples" / "LIDAR_TOP").glob("*.bin")), arguments.most)
        labels = some(list((root / "gts").glob("*/*/labels.npz")), arguments.most)
        columns[root.name] = describe(sweeps, labels)
    if arguments.sweep or arguments.labels:
        columns["single files"] = describe(arguments.sweep, arguments.labels)
    print(f"{'':38}" + "".join(f"{name:>30}" for name in columns))
    for name in dict.fromkeys(name for rows in columns.values() for row in rows for name in row):
        print(f"{name:38}" + "".join(f"{cell(rows, name):>30}" for rows in columns.values()))


if __name__ == "__main__":
    main()
