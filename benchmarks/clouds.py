# SPDX-License-Identifier: Apache-2.0
"""What looking at a cloud costs: points without a return, the unit, the scale of the intensity.

    python benchmarks/clouds.py --points 35000 250000 --model lidar_tiny

CPU milliseconds of one thread for one sweep, beside those of a frame of the model from the same
points. ``unpack`` is a copy of x, y, z and intensity, which nobody can do without.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from network import made_up_sensors, make_frame, recorded_folder, recorded_sensors

from effocc_ros.bags.messages import NUSCENES_POINT, point_cloud_message
from effocc_ros.frame import Frame, PointCloud
from effocc_ros.predictor import Predictor
from effocc_ros.stream.clouds import CloudReader
from effocc_ros.stream.intensity import IntensityRange
from effocc_ros.stream.returns import find_returns

KINDS = ("returns alone", "a third (0, 0, 0)", "a third NaN", "a third far away")


def rows(count: int, kind: str) -> np.ndarray:
    """Return (count,) points of a recorded or made-up sweep, changed as drivers do."""
    folder = recorded_folder()
    _, points, _ = recorded_sensors(folder) if folder else made_up_sensors()
    points = np.resize(points, (count, points.shape[1]))[:, :5].astype("<f4")
    # A sweep that is repeated would have each place many times.
    points[:, :3] += np.random.default_rng(0).normal(0, 0.02, (count, 3)).astype("<f4")
    value = {KINDS[1]: 0.0, KINDS[2]: np.nan, KINDS[3]: 1e6}.get(kind)
    if value is not None:
        points[::3, :3] = value
    return np.ascontiguousarray(points).view(NUSCENES_POINT)[:, 0]


def milliseconds(work: Callable[[], object], repeat: int) -> float:
    """Return the median CPU time of this process, after one call that is not counted."""
    work()
    spent = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        spent.append(1e3 * (time.process_time() - start))
    return median(spent)


def unpack(points: np.ndarray) -> np.ndarray:
    """Copy what a network takes."""
    out = np.empty((len(points), 4), np.float32)
    for place, name in enumerate(("x", "y", "z", "intensity")):
        out[:, place] = points[name]
    return out


def frame_of(points: np.ndarray) -> Frame:
    """Return a frame of these points alone."""
    frame, _ = make_frame(1)
    good = points[np.isfinite(points["x"]) & (np.abs(points["x"]) < 1e3)]
    cloud = np.c_[unpack(good), np.zeros(len(good), np.float32)]
    return Frame(
        frame.stamp,
        frame.frame_id,
        (),
        PointCloud(cloud, frame.cloud.sensor2ego),
        frame.ego2global,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", nargs="+", type=int, default=[35_000, 250_000])
    parser.add_argument("--model", default="lidar_tiny")
    parser.add_argument("--repeat", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with Predictor(options.model, "cpu") as predictor:
        for count in options.points:
            plain = frame_of(rows(count, KINDS[0]))
            whole = milliseconds(lambda frame=plain: predictor.predict(frame), 3)
            print(f"{count} points; a frame of {options.model} {whole:.0f} ms")
            for kind in KINDS:
                report(rows(count, kind), kind, whole, options.repeat)


def report(points: np.ndarray, kind: str, whole: float, repeat: int) -> None:
    """Print a line: each part, and the checks as part of a frame."""
    message = point_cloud_message(1, "lidar", points)
    reader, scale, array = CloudReader("LIDAR"), IntensityRange("LIDAR"), unpack(points)
    read = milliseconds(lambda: reader.read(message), repeat)
    copied = milliseconds(lambda: unpack(points), repeat)
    found = milliseconds(lambda: find_returns(array, "LIDAR"), repeat)
    scaled = milliseconds(lambda: scale.scaled([points["intensity"]]), repeat)
    share = 100 * max(read - copied, 0.0) / whole
    print(
        f"  {kind:20} read {read:6.2f} ms: unpack {copied:5.2f}, returns {found:5.2f}, "
        f"intensity {scaled:5.2f}; checks {share:4.1f} % of a frame"
    )


if __name__ == "__main__":
    main()
