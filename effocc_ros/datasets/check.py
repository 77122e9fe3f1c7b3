# SPDX-License-Identifier: Apache-2.0
"""What of a benchmark is on disk, and what is missing."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from effocc_ros.datasets.benchmarks import NUSCENES_BENCHMARKS
from effocc_ros.datasets.files import is_there
from effocc_ros.datasets.nuscenes_dataset import NuscenesBenchmark
from effocc_ros.datasets.nuscenes_tables import NuscenesTables, SampleRecord
from effocc_ros.datasets.occ3d_waymo import SPLITS as WAYMO_SPLITS
from effocc_ros.datasets.occ3d_waymo import labels_files
from effocc_ros.datasets.splits import custom_splits, official_splits, official_version
from effocc_ros.datasets.waymo_cameras import read_cameras
from effocc_ros.errors import InputError

USED = ("camera", "lidar")
"""Modalities that Frames are made of."""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        what: What was looked at.
        there: How many of it are there.
        wanted: How many should be.
        note: What is wrong, or an example of what is missing.
        needed: False for what one can do without.
    """

    what: str
    there: int
    wanted: int
    note: str = ""
    needed: bool = True

    @property
    def complete(self) -> bool:
        """Whether all is there."""
        return self.there >= self.wanted and self.wanted > 0

    def __str__(self) -> str:
        word = "complete" if self.complete else "MISSING" if self.needed else "absent"
        note = f"  {self.note}" if self.note else ""
        return f"{word:8}  {self.what:50} {self.there:8} of {self.wanted:8}{note}"


def check_nuscenes(root: Path, version: str, *, progress: bool = False) -> Iterator[Finding]:
    """Look at a nuScenes version: tables, sensor files by channel, labels of every benchmark.

    Sensor files and labels are looked for by name; `effocc dataset check` also reads one sample.

    Args:
        root: The data set's folder.
        version: Folder of the tables.
        progress: Show a progress bar on stderr.

    Yields:
        Findings, as they come.
    """
    try:
        tables = NuscenesTables(root, version)
        samples = tables.samples()
        splits = {
            split: names
            for split, names in official_splits().items()
            if official_version(split) == version
        } | custom_splits(tables.folder)
    except InputError as error:
        yield Finding(f"{version}: tables", 0, 1, str(error))
        return
    yield Finding(f"{version}: scenes", len(tables.scene_names), len(tables.scene_names))
    yield from _splits(version, samples, splits)
    yield from _sensor_files(tables, progress)
    for name, benchmark in NUSCENES_BENCHMARKS.items():
        yield _labels(name, benchmark, root, samples, progress)


def _splits(
    version: str, samples: list[SampleRecord], splits: dict[str, frozenset[str]]
) -> Iterator[Finding]:
    scenes = {sample.scene for sample in samples}
    for split, names in splits.items():
        there = len(names & scenes)
        if there:
            keyframes = sum(sample.scene in names for sample in samples)
            yield Finding(
                f"{version}: scenes of split {split}",
                there,
                len(names),
                f"{keyframes} keyframes",
                needed=False,
            )


def _sensor_files(tables: NuscenesTables, progress: bool) -> Iterator[Finding]:
    listed: dict[str, set[str]] = {}
    counts: dict[tuple[str, bool], list] = {}
    bar = tqdm(
        tables.files(USED), desc="sensor files", unit="", disable=None if progress else True
    )
    for channel, key_frame, filename in bar:
        folder, _, name = filename.rpartition("/")
        if folder not in listed:
            # Rows come channel by channel: the names of two folders are enough to keep.
            if len(listed) > 1:
                listed.clear()
            listed[folder] = _names(tables.root / folder)
        count = counts.setdefault((channel, bool(key_frame)), [0, 0, ""])
        count[1] += 1
        if name in listed[folder]:
            count[0] += 1
        else:
            count[2] = count[2] or f"{filename} is absent"
    for (channel, key_frame), (there, wanted, note) in sorted(
        counts.items(), key=_keyframes_first
    ):
        word = "keyframes" if key_frame else "sweeps"
        # Only the LiDAR's sweeps go into Frames; those of cameras go into bags.
        needed = key_frame or not channel.startswith("CAM")
        yield Finding(f"{channel} {word}", there, wanted, note, needed)


def _keyframes_first(item: tuple[tuple[str, bool], list]) -> tuple[str, bool]:
    (channel, key_frame), _ = item
    return channel, not key_frame


def _labels(
    name: str,
    benchmark: NuscenesBenchmark,
    root: Path,
    samples: list[SampleRecord],
    progress: bool,
) -> Finding:
    folder = benchmark.place(root, samples)
    where = os.path.relpath(folder, root)
    what, total = f"labels {name} ({where})", len(samples)
    if not folder.is_dir():
        return Finding(what, 0, total, "no such folder", needed=False)
    there, note = 0, ""
    for sample in tqdm(samples, desc=name, unit="", disable=None if progress else True):
        file = benchmark.file(sample)
        if is_there(folder / file):
            there += 1
        else:
            note = note or f"{Path(where) / file} is absent"
    return Finding(what, there, total, note)


def check_waymo(root: Path) -> Iterator[Finding]:
    """Look at Occ3D-Waymo: labels, cameras, images and points of both splits."""
    for split, (folder, cameras_file, digit) in WAYMO_SPLITS.items():
        try:
            files = labels_files(root / "voxel04" / folder)
        except InputError as error:
            yield Finding(f"labels of split {split}", 0, 1, str(error), needed=split == "train")
            continue
        yield Finding(f"labels of split {split}", len(files), len(files))
        try:
            known = read_cameras(root / cameras_file).rows
            frames = [(int(path.parent.name), int(path.name[:3])) for path in files]
            there = sum(frame in known for frame in frames)
            yield Finding(cameras_file, there, len(files))
        except InputError as error:
            yield Finding(cameras_file, 0, len(files), str(error))
        names = [f"{digit}{path.parent.name}{path.name[:3]}" for path in files]
        for sensor in (*(f"image_{number}" for number in range(5)), "velodyne"):
            place = root / "kitti_format" / "training" / sensor
            yield _stems(f"{sensor} of split {split}", place, names)


def _stems(what: str, folder: Path, names: Iterable[str]) -> Finding:
    names = list(names)
    found = {Path(name).stem for name in _names(folder)}
    absent = [name for name in names if name not in found]
    note = f"{folder.name}/{absent[0]} is absent" if absent else ""
    return Finding(what, len(names) - len(absent), len(names), note)


def _names(folder: Path) -> set[str]:
    """Return the names of the files in a folder that hold something."""
    # One listing, and the size of what is in it: cheaper than looking for 200,000 names.
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if _holds_something(entry)}
    except OSError:
        return set()


def _holds_something(entry: os.DirEntry) -> bool:
    try:
        return entry.stat().st_size > 0
    except OSError:  # a link that leads nowhere
        return False
