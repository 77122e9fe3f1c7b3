# SPDX-License-Identifier: Apache-2.0
"""Time and memory of opening nuScenes tables of trainval's size, made up on the spot.

    python benchmarks/nuscenes_tables.py
    python benchmarks/nuscenes_tables.py --folder /some/disk/with/3/GB --scenes 850

Each opening runs in a process of its own, so that its peak memory is its own.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCENES, SAMPLES = 20, 40
"""Scenes unless told otherwise: trainval has 850, of 40 samples each."""
VERSION = "v1.0-trainval"
CHANNELS = (
    *(f"CAM_{side}" for side in ("FRONT", "FRONT_LEFT", "FRONT_RIGHT", "BACK", "BACK_LEFT")),
    "CAM_BACK_RIGHT",
    "LIDAR_TOP",
    *(f"RADAR_{side}" for side in ("FRONT", "FRONT_LEFT", "FRONT_RIGHT", "BACK_LEFT")),
    "RADAR_BACK_RIGHT",
)
RATES = {"CAM": 6, "LIDAR": 10, "RADAR": 6}
"""Data per sample and sensor: 76 in all, 2.58 million in 850 scenes."""
PREFIX = "n015-2018-07-24-11-22-45+0800"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="kept; a temporary one when left out")
    parser.add_argument("--scenes", type=int, default=SCENES, help="%(default)s; trainval has 850")
    parser.add_argument("--open", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.open:
        return open_once(arguments.folder)
    if arguments.folder:
        return measure(arguments.folder, arguments.scenes)
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), arguments.scenes)


def measure(folder: Path, scenes: int):
    if not (folder / VERSION).is_dir():
        write_tables(folder, scenes)
    sizes = [path.stat().st_size for path in (folder / VERSION).iterdir()]
    print(f"tables: {sum(sizes) / 1e6:.0f} MB of JSON", flush=True)
    for cache in folder.glob(".*.sqlite3"):
        cache.unlink()
    for word in ("first", "second"):
        command = [sys.executable, __file__, "--folder", str(folder), "--open"]
        print(f"{word} open: ", end="", flush=True)
        subprocess.run(command, check=True)
    cache = next(folder.glob(".*.sqlite3"))
    print(f"cache: {cache.stat().st_size / 1e6:.0f} MB")


def open_once(folder: Path):
    from effocc_ros.datasets.nuscenes_tables import NuscenesTables

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    tables = NuscenesTables(folder, VERSION)
    opened = time.perf_counter()
    samples = tables.samples()
    listed = time.perf_counter()
    few = samples[:: max(len(samples) // 50, 1)]
    for sample in few:
        key = tables.keyframe(sample)
        tables.earlier(key["LIDAR_TOP"], 9)
    looked = time.perf_counter()
    records = tables.scene(tables.scene_names[0])
    end = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{opened - start:.2f} s, peak {peak / 1024:.0f} MB ({before / 1024:.0f} MB of it Python "
        f"and its modules); list of {len(samples)} samples {listed - opened:.2f} s; one sample "
        f"with its sweeps {1e3 * (looked - listed) / len(few):.1f} ms; a scene of "
        f"{len(records)} rows {end - looked:.2f} s"
    )


def write_tables(folder: Path, scenes: int):
    rng = random.Random(0)
    tables = folder / VERSION
    tables.mkdir(parents=True)

    def token() -> str:
        return f"{rng.getrandbits(128):032x}"

    sensors = [
        {"token": token(), "channel": name, "modality": name.split("_")[0].lower()}
        for name in CHANNELS
    ]
    for sensor in sensors:
        sensor["modality"] = {"cam": "camera"}.get(sensor["modality"], sensor["modality"])
    rows = {"sensor": sensors, "scene": [], "sample": [], "calibrated_sensor": []}
    with (
        Table(tables / "sample_data.json") as sample_data,
        Table(tables / "ego_pose.json") as ego_pose,
    ):
        for number in range(scenes):
            start = 1_532_402_927_000_000 + 30_000_000 * number
            scene = {"token": token(), "name": f"scene-{number + 1:04d}", "nbr_samples": SAMPLES}
            rows["scene"].append(scene)
            samples = [
                {"token": token(), "timestamp": start + 500_000 * k, "scene_token": scene["token"]}
                for k in range(SAMPLES)
            ]
            rows["sample"] += samples
            poses = []
            for sensor in sensors:
                name = sensor["channel"]
                place = {
                    "token": token(),
                    "sensor_token": sensor["token"],
                    "translation": [1.70079118954, 0.0159456324149, 1.51095763913],
                    "rotation": [0.49980154, -0.50303161, 0.49977981, -0.49737083],
                    "camera_intrinsic": [[1266.4, 0.0, 816.2], [0.0, 1266.4, 491.5], [0, 0, 1.0]],
                }
                rows["calibrated_sensor"].append(place)
                rate = RATES[name.split("_")[0]]
                for k in range(SAMPLES * rate):
                    stamp = start + k * 500_000 // rate
                    key = k % rate == 0
                    suffix = "jpg" if name.startswith("CAM") else "pcd.bin"
                    pose = token()
                    part = "samples" if key else "sweeps"
                    sample_data.add(
                        {
                            "token": pose,
                            "sample_token": samples[k // rate]["token"],
                            "ego_pose_token": pose,
                            "calibrated_sensor_token": place["token"],
                            "timestamp": stamp,
                            "fileformat": suffix.split(".")[0],
                            "is_key_frame": key,
                            "height": 900,
                            "width": 1600,
                            "filename": f"{part}/{name}/{PREFIX}__{name}__{stamp}.{suffix}",
                            "prev": token(),
                            "next": token(),
                        }
                    )
                    poses.append(
                        {
                            "token": pose,
                            "timestamp": stamp,
                            "rotation": [0.572032039, -0.0016977771, 0.0117980, rng.random()],
                            "translation": [411.3039349319818, 1180.8903791765097, 0.0],
                        }
                    )
            rng.shuffle(poses)
            for pose in poses:
                ego_pose.add(pose)
    for name, table in rows.items():
        (tables / f"{name}.json").write_text(json.dumps(table, indent=0))


class Table:
    """A list of objects, written one by one as nuScenes formats them."""

    def __init__(self, path: Path):
        self._file, self._first = path.open("w"), True

    def __enter__(self):
        self._file.write("[\n")
        return self

    def __exit__(self, *exception):
        self._file.write("\n]")
        self._file.close()

    def add(self, row: dict):
        """Write one row."""
        self._file.write(("" if self._first else ",\n") + json.dumps(row, indent=0))
        self._first = False


if __name__ == "__main__":
    main()
