# SPDX-License-Identifier: Apache-2.0
"""Simulated scenes in the files of nuScenes and Occ3D.

Every file appears whole or not at all, and a scene's rows are noted when all of its files are
there: a run that was cut short goes on where it stopped, and files that were lost come again.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from effocc_ros.datasets.splits import CUSTOM_FILE
from effocc_ros.errors import InputError
from effocc_ros.files import clear_partial_files, only_writer, whole_file
from effocc_ros.simulation import nuscenes_rows as rows
from effocc_ros.simulation.drive import START, Drive, encode_jpeg
from effocc_ros.simulation.processes import usable_cores, worker_pool
from effocc_ros.simulation.rig import (
    KEYFRAME_RATE,
    LIDAR_RATE,
    check_image_size,
    nuscenes_rig,
)

NOTES = ".simulation"
"""Folder of what was simulated so far."""

STREETS = 5
"""To be raised when the same seed gives other scenes: they must not mix with earlier ones."""

MAP_FILE = "maps/simulated.png"


@dataclass(frozen=True)
class TreeConfig:
    """What to simulate.

    Attributes:
        scenes: Number of scenes.
        keyframes: Labelled moments in each scene, two a second.
        seed: Everything follows from it.
        image_size: (height, width) of the pictures.
        camera_sweeps: Also write the pictures between keyframes (12 Hz instead of 2 Hz).
    """

    scenes: int
    keyframes: int
    seed: int = 0
    image_size: tuple[int, int] = (396, 704)
    camera_sweeps: bool = False

    def __post_init__(self):
        if self.scenes < 1 or not 1 <= self.keyframes <= 200:
            raise InputError(
                "simulated scenes",
                found=f"{self.scenes} scenes of {self.keyframes} keyframes",
                expected="at least 1 scene of 1 to 200 keyframes",
            )
        check_image_size(self.image_size)


def simulate_tree(
    root: Path | str, config: TreeConfig, *, workers: int | None = None, progress: bool = True
) -> Path:
    """Simulate scenes and write them as nuScenes v1.0-trainval with Occ3D labels.

    Args:
        root: The data set's folder; an unfinished one of the same settings is continued.
        config: What to simulate.
        workers: Processes; by default one for each core that this process may use.
        progress: Show a progress bar.

    Returns:
        The root.

    Raises:
        InputError: The folder holds scenes of other settings or other files, cannot be written, or
            is being written by another process.
    """
    root = Path(root)
    _refuse_other_files(root)
    with only_writer(root / NOTES / "lock"):
        _agree(root, config)
        clear_partial_files(root)
        _simulate_scenes(root, config, workers or usable_cores(), progress)
        _write_tables(root, config)
    return root


def label_files(root: Path | str, config: TreeConfig) -> tuple[Path, ...]:
    """List the labels of all keyframes of a simulated data set, scene by scene."""
    return tuple(
        _labels_file(Path(root), scene_name(number), sample)
        for number in range(1, config.scenes + 1)
        for sample in _read(_note(Path(root), number))["sample"]
    )


def _simulate_scenes(root: Path, config: TreeConfig, workers: int, progress: bool) -> None:
    todo = [number for number in range(1, config.scenes + 1) if not _is_whole(root, number)]
    with tqdm(
        total=config.scenes * config.keyframes,
        initial=(config.scenes - len(todo)) * config.keyframes,
        unit="keyframe",
        desc="simulate",
        disable=not progress,
    ) as bar:
        try:
            for _ in _all_scenes(root, config, todo, workers):
                bar.update(config.keyframes)
        except BaseException:
            clear_partial_files(root)
            raise


def _all_scenes(root, config, todo, workers) -> Iterator[int]:
    work = partial(_simulate_scene, root, config)
    if workers == 1 or len(todo) < 2:
        yield from map(work, todo)
        return
    with worker_pool(min(workers, len(todo))) as pool:
        yield from pool.map(work, todo)


def scene_name(number: int) -> str:
    """Name a scene as nuScenes does."""
    return f"scene-{number:04d}"


def drive_of_scene(config: TreeConfig, number: int) -> Drive:
    """Return the drive that a scene records, an hour after the one before.

    Args:
        config: What is simulated.
        number: The scene's, from 1.
    """
    seed = int(np.random.SeedSequence([config.seed, number]).generate_state(1)[0])
    duration = (config.keyframes - 1) / KEYFRAME_RATE + 1 / LIDAR_RATE
    hour = 3_600_000_000_000
    return Drive(seed, duration, config.image_size, START + number * hour)


def _simulate_scene(root: Path, config: TreeConfig, number: int) -> int:
    name, drive = scene_name(number), drive_of_scene(config, number)
    found = rows.scene_rows(drive, name, config.camera_sweeps)
    for row in found["sample_data"]:
        sensor = row["filename"].split("/")[1]
        stamp = row["timestamp"] * 1000
        with _file(root / row["filename"]) as file:
            if file is None:
                continue
            if row["fileformat"] == "jpg":
                file.write_bytes(encode_jpeg(drive.picture(sensor, stamp)))
            else:
                file.write_bytes(drive.sweep(stamp).points.tobytes())
    for row in found["sample"]:
        with _file(_labels_file(root, name, row)) as file:
            if file is not None:
                np.savez_compressed(file, **drive.truth(row["timestamp"] * 1000))
    with whole_file(_note(root, number)) as file:
        file.write_text(json.dumps(found))
    return number


def _labels_file(root: Path, scene: str, sample: dict[str, Any]) -> Path:
    return root / "gts" / scene / sample["token"] / "labels.npz"


@contextmanager
def _file(path: Path) -> Iterator[Path | None]:
    """Give a file to write, or None when it is there already."""
    if path.is_file():
        yield None
        return
    with whole_file(path) as partial_file:
        yield partial_file


def _note(root: Path, number: int) -> Path:
    return root / NOTES / f"{scene_name(number)}.json"


def _is_whole(root: Path, number: int) -> bool:
    """Return whether all files of a scene are there."""
    if not _note(root, number).is_file():
        return False
    found = _read(_note(root, number))
    sensors = (root / row["filename"] for row in found["sample_data"])
    labels = (_labels_file(root, scene_name(number), row) for row in found["sample"])
    return all(file.is_file() for file in (*sensors, *labels))


def _read(note: Path, do: str = "Delete it and run the same command again") -> dict[str, Any]:
    try:
        return json.loads(note.read_bytes())
    except ValueError as error:
        raise InputError(
            f"file {note}",
            found=f"no JSON ({error})",
            expected="what an earlier run noted",
            do=do,
            reason="bad_file",
        ) from error


def _refuse_other_files(root: Path) -> None:
    """Refuse a folder that no simulation began, unless it is empty."""
    if root.is_dir() and not (root / NOTES).is_dir() and any(root.iterdir()):
        raise InputError(
            f"data set {root}",
            found="a folder with other files in it",
            expected="an empty folder, or one that a simulation began",
            do="Choose another folder",
            reason="bad_output",
        )


def _agree(root: Path, config: TreeConfig) -> None:
    """Refuse to mix settings in one folder; the number of scenes may grow."""
    chosen = {name: value for name, value in asdict(config).items() if name != "scenes"}
    said = json.loads(json.dumps(chosen | {"streets": STREETS}))
    file = root / NOTES / "settings.json"
    if file.is_file():
        before = _read(file, "Choose another folder")
        if before != said:
            raise InputError(
                f"data set {root}",
                found=f"scenes simulated with {before}",
                expected=f"{said}",
                do="Use the same settings, or another folder",
                reason="other_settings",
            )
        return
    with whole_file(file) as partial_file:
        partial_file.write_text(json.dumps(said))


def _write_tables(root: Path, config: TreeConfig) -> None:
    """Gather the notes of all scenes into the tables."""
    tables: rows.Rows = {name: [] for name in rows.TABLES}
    for number in range(1, config.scenes + 1):
        for table, found in _read(_note(root, number)).items():
            tables[table] += found
    logs = [log["token"] for log in tables["log"]]
    tables |= rows.common_rows(nuscenes_rig(config.image_size), logs, MAP_FILE)
    with _file(root / MAP_FILE) as file:
        if file is not None:
            blank = cv2.imencode(".png", np.zeros((16, 16), np.uint8))[1]
            file.write_bytes(blank.tobytes())
    for name, found in tables.items():
        with whole_file(root / rows.VERSION / f"{name}.json") as file:
            file.write_text(json.dumps(found, indent=0))
    # Of the official splits, numbers from 1 are in none or anywhere: val may stay empty.
    splits = rows.splits_of(scene["name"] for scene in tables["scene"])
    with whole_file(root / rows.VERSION / CUSTOM_FILE) as file:
        file.write_text(json.dumps(splits, indent=0))
