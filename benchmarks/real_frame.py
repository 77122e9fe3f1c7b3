# SPDX-License-Identifier: Apache-2.0
"""Does a model agree with the LiDAR of real frames? Two shares for each recorded frame.

    python benchmarks/real_frame.py --model fusion_tiny
    python benchmarks/real_frame.py --model fusion_tiny --tree /data/simulated --split val

Returns of the real sweep should lie in voxels called occupied (goal: at least 80 %), and voxels
that its pulses passed on their way should not be called so (goal: at most 25 %). The recorded
frames are found in the folder EFFOCC_SHARED, or ../shared; none of them has labels. Frames without
cameras are shown to LiDAR and fusion networks alone. With --tree the same is said of simulated
keyframes, and of their own labels, which is what a perfect network would get.
"""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from effocc_ros.datasets.benchmarks import open_dataset
from effocc_ros.datasets.files import read_image, read_points
from effocc_ros.datasets.nuscenes_frames import SweepChoice
from effocc_ros.errors import InputError
from effocc_ros.evaluation.reading import evenly
from effocc_ros.evaluation.report import said, write_mapping
from effocc_ros.evaluation.sweep_agreement import Agreement, sweep_agreement
from effocc_ros.frame import Camera, Frame, PointCloud
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.predictor import Predictor
from effocc_ros.sweeps import Sweep, aggregate_sweeps

KEYFRAMES = ("mmdetection3d_scene0061_frame", "mmdeploy_scene0103_lidar")
SEQUENCE = "surroundocc_11frame_sequence"
HIT_GOAL, FALSE_GOAL = 0.80, 0.25


def recorded_frames(data: Path, sweeps: int) -> Iterator[tuple[str, Frame]]:
    """Yield name and Frame of every recorded moment that has a LiDAR sweep and calibration."""
    for name in KEYFRAMES:
        if (data / name / "calib.json").is_file():
            yield name, keyframe(data / name, sweeps)
    folder = data / SEQUENCE
    if (folder / "calib.json").is_file():
        for row in json.loads((folder / "calib.json").read_text())["frames"]:
            points = np.load(folder / row["points"])
            stamp, pose = row["timestamp_us"] * 1000, np.array(row["ego2global"])
            cloud = one_sweep(points, np.array(row["lidar2ego"]), pose, stamp, sweeps)
            yield f"{SEQUENCE} {row['index']}", Frame(stamp, "base_link", (), cloud, pose)


def keyframe(folder: Path, sweeps: int) -> Frame:
    """Read one nuScenes keyframe: a sweep, and cameras where there are any."""
    calibration = json.loads((folder / "calib.json").read_text())
    lidar = calibration["lidar"]
    points = read_points(folder / lidar["file"], 5)
    stamp, pose = lidar["timestamp_us"] * 1000, np.array(lidar["ego2global"])
    cameras = tuple(
        Camera(
            name=name,
            image=read_image(folder / camera["file"]),
            intrinsics=np.array(camera["intrinsics"]),
            sensor2ego=np.array(camera["cam2ego"]),
            ego2global=np.array(camera["ego2global"]),
            stamp=camera["timestamp_us"] * 1000,
        )
        for name, camera in calibration["cameras"].items()
    )
    cloud = one_sweep(points, np.array(lidar["lidar2ego"]), pose, stamp, sweeps)
    return Frame(stamp, "base_link", cameras, cloud, pose)


def one_sweep(
    points: np.ndarray, sensor2ego: np.ndarray, pose: np.ndarray, stamp: int, sweeps: int
) -> PointCloud:
    """Make the cloud of a sweep before which nothing is known, as at the start of a drive."""
    sweep = Sweep(points, sensor2ego, pose, stamp)
    return PointCloud(aggregate_sweeps(sweep, count=sweeps), sensor2ego)


def simulated_frames(
    arguments: argparse.Namespace, sweeps: int
) -> Iterator[tuple[str, Frame, SemanticOccupancy]]:
    """Yield name, Frame and true occupancy of keyframes of a simulated data set."""
    dataset = open_dataset(
        "occ3d_nuscenes", arguments.tree, arguments.split, sweeps=SweepChoice(sweeps)
    )
    for position in evenly(len(dataset), arguments.limit):
        sample = dataset[position]
        yield f"{sample.scene} {position}", sample.frame, sample.occupancy()


def row(name: str, agreement: Agreement, inputs: tuple[str, ...] = ()) -> str:
    shares = (said("", share) for share in (agreement.hit_share, agreement.false_share))
    hits, wrong = shares
    seen = f"{sum('CAM' in one for one in inputs)} cameras, LiDAR" if inputs else ""
    if inputs and not any("LIDAR" in one for one in inputs):
        seen = seen.removesuffix(", LiDAR")
    counts = f"{agreement.returns:>8,} {agreement.passed:>8,}"
    return f"{name:<36} {hits:>9} {wrong:>9} {counts}  {seen}".rstrip()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="fusion_tiny", help="preset or file (%(default)s)")
    parser.add_argument("--device", default="auto", help="(%(default)s)")
    parser.add_argument("--data", type=Path, help="folder of recorded frames")
    parser.add_argument("--tree", type=Path, help="a simulated data set to compare with")
    parser.add_argument("--split", default="val", help="split of --tree (%(default)s)")
    parser.add_argument("--limit", type=int, default=8, help="keyframes of --tree (%(default)s)")
    parser.add_argument("--json", type=Path, help="also write the shares there")
    arguments = parser.parse_args()
    shared = os.environ.get("EFFOCC_SHARED") or Path(__file__).resolve().parents[2] / "shared"
    data = arguments.data or Path(shared) / "data"
    written = {}
    with Predictor(arguments.model, arguments.device) as predictor:
        config = predictor.config
        weights = "" if predictor.trained else " (random weights)"
        print(f"{predictor.name}{weights} on {predictor.device}")
        header = f"{'frame':<36} {'hit %':>9} {'false %':>9} {'returns':>8} {'passed':>8}"
        print(header, "-" * len(header), sep="\n")
        total = Agreement()
        for name, frame in recorded_frames(data, config.sweeps):
            try:
                occupancy = predictor.predict(frame)
            except InputError as error:
                if error.reason != "no_usable_input":
                    raise
                print(f"{name:<36} skipped: it has no camera")
                continue
            agreement = sweep_agreement(occupancy, frame, config.frame == "lidar")
            total += agreement
            written[name] = vars(agreement)
            print(row(name, agreement, occupancy.inputs), flush=True)
        if written:
            print(row("all real frames", total))
            met = total.hit_share >= HIT_GOAL and total.false_share <= FALSE_GOAL
            goals = f"at least {HIT_GOAL:.0%} and at most {FALSE_GOAL:.0%}"
            print(f"goal, {goals}: {'met' if met else 'missed'}")
        else:
            print(
                f"no real frame was scored: none fits below {data} (set EFFOCC_SHARED or --data)"
            )
        if arguments.tree:
            ours, labels = Agreement(), Agreement()
            for name, frame, truth in simulated_frames(arguments, config.sweeps):
                occupancy = predictor.predict(frame)
                agreement = sweep_agreement(occupancy, frame, config.frame == "lidar")
                ours, labels = ours + agreement, labels + sweep_agreement(truth, frame)
                print(row(name, agreement, occupancy.inputs), flush=True)
            print(row("all simulated frames", ours))
            print(row("their labels", labels))
            written |= {"simulated": vars(ours), "simulated labels": vars(labels)}
    if arguments.json:
        write_mapping(arguments.json, {"model": predictor.name, "frames": written})
        print(f"written: {arguments.json}")


if __name__ == "__main__":
    main()
