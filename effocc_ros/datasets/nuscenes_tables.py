# SPDX-License-Identifier: Apache-2.0
"""The nuScenes tables: scenes, keyframes, sensor data, poses.

They are read through a cache on disk (:mod:`effocc_ros.datasets.table_cache`), so that those of
trainval open at once and take no memory.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from effocc_ros.datasets.files import is_there
from effocc_ros.datasets.places import tables_advice
from effocc_ros.datasets.table_cache import open_cache, table_cache
from effocc_ros.errors import InputError
from effocc_ros.geometry import rigid

_COLUMNS = """
SELECT d.token, d.stamp, p.channel, p.modality, d.key_frame, d.filename, d.height, d.width,
       p.pose, p.intrinsics, d.pose_stamp, d.pose, s.name
FROM data AS d JOIN place AS p ON p.id = d.place JOIN scene AS s ON s.id = d.scene
"""
_IN_SCENE = "WHERE d.scene = (SELECT id FROM scene WHERE name = ?) "


LIDAR = "LIDAR_TOP"
"""The LiDAR, whose keyframe gives a sample its time."""


@dataclass(frozen=True)
class SampleRecord:
    """One row of sample: a keyframe, annotated, twice a second.

    Attributes:
        token: The sample's token.
        stamp: Nanoseconds since the epoch.
        scene: The scene's name, for example ``scene-0061``.
        scene_token: The scene's token.
        lidar_token: Token of its LiDAR sweep in sample_data; None where it has none.
    """

    token: str
    stamp: int
    scene: str
    scene_token: str
    lidar_token: str | None


@dataclass(frozen=True)
class SensorRecord:
    """One row of sample_data with what it points to.

    Attributes:
        token: The row's token.
        stamp: When it was taken, nanoseconds since the epoch.
        sensor: Channel, for example ``CAM_FRONT``.
        modality: ``camera``, ``lidar`` or ``radar``.
        key_frame: True for the 2 Hz data that is annotated, false for a sweep between.
        file: Where the data is.
        size: Height and width of an image in pixels, (0, 0) for other sensors.
        sensor2ego: (4, 4) pose of the sensor on the vehicle.
        intrinsics: (3, 3) pinhole matrix of a camera, else None.
        pose_stamp: When the ego pose was taken, nanoseconds.
        ego2global: (4, 4) ego pose.
        scene: Name of the scene.
    """

    token: str
    stamp: int
    sensor: str
    modality: str
    key_frame: bool
    file: Path
    size: tuple[int, int]
    sensor2ego: NDArray[np.float64]
    intrinsics: NDArray[np.float64] | None
    pose_stamp: int
    ego2global: NDArray[np.float64]
    scene: str


class NuscenesTables:
    """The tables of one nuScenes version on disk.

    It holds no open file, so it may be handed to other threads and processes.

    Args:
        root: The data set's folder, with ``samples/``, ``sweeps/`` and the version's folder.
        version: For example ``v1.0-mini``.

    Raises:
        InputError: A table is missing or broken, or a token leads nowhere; named in the text.
    """

    def __init__(self, root: Path | str, version: str):
        self.root = Path(root)
        self.folder = self.root / version
        if not any(self.folder.glob("*.json")):
            raise InputError(
                f"nuScenes tables {self.folder}",
                found=f"no tables; versions there: {', '.join(versions(root)) or 'none'}",
                expected="a folder of .json tables beside samples/ and sweeps/",
                do=tables_advice(self.root, version),
                reason="missing_tables",
            )
        self._cache = table_cache(self.root, version)

    @property
    def scene_names(self) -> tuple[str, ...]:
        """Names of all scenes, sorted."""
        return tuple(name for (name,) in self._query("SELECT name FROM scene ORDER BY name"))

    def samples(self) -> list[SampleRecord]:
        """Return the keyframes of all scenes in the order of time."""
        rows = self._query(
            "SELECT k.token, k.stamp, s.name, s.token, (SELECT d.token FROM data AS d "
            "JOIN place AS p ON p.id = d.place WHERE d.sample = k.id AND d.key_frame "
            "AND p.channel = ? ORDER BY d.token) "
            "FROM sample AS k JOIN scene AS s ON s.id = k.scene ORDER BY k.stamp, k.token",
            (LIDAR,),
        )
        return [SampleRecord(*row) for row in rows]

    def scene(self, name: str) -> list[SensorRecord]:
        """Return all sensor data of a scene, keyframes and sweeps, in the order of time.

        Raises:
            InputError: No such scene, or it has no data.
        """
        if name not in self.scene_names:
            raise InputError(
                f"nuScenes scene {name}",
                found=f"no such scene in {self.folder}",
                expected=f"one of {_some(self.scene_names)}",
                reason="no_such_scene",
            )
        records = self._records(_IN_SCENE + "ORDER BY d.stamp, d.token", (name,))
        if not records:
            raise InputError(
                f"nuScenes scene {name}",
                found=f"no sensor data in {self.folder / 'sample_data.json'}",
                expected="rows whose samples belong to the scene",
                reason="empty_scene",
            )
        return records

    def whole_scene(self) -> str:
        """Return the first scene whose keyframes of cameras and LiDAR are all on disk.

        Where there is none it is the first of all; empty where there is no scene.
        """
        names = self.scene_names
        for name in names:
            files = self._query(
                "SELECT d.filename FROM data AS d JOIN place AS p ON p.id = d.place "
                + _IN_SCENE
                + "AND d.key_frame AND p.modality IN ('camera', 'lidar')",
                (name,),
            )
            if files and all(is_there(self.root / file) for (file,) in files):
                return name
        return next(iter(names), "")

    def keyframe(self, sample: SampleRecord) -> dict[str, SensorRecord]:
        """Return the annotated data of a sample by channel."""
        condition = (
            "WHERE d.sample = (SELECT id FROM sample WHERE token = ?) AND d.key_frame "
            "ORDER BY d.stamp, d.token"
        )
        return {record.sensor: record for record in self._records(condition, (sample.token,))}

    def earlier(self, record: SensorRecord, count: int) -> list[SensorRecord]:
        """Return up to ``count`` data of the same sensor and scene before one, newest first."""
        condition = _IN_SCENE + "AND d.stamp < ? AND p.channel = ? ORDER BY d.stamp DESC LIMIT ?"
        return self._records(condition, (record.scene, record.stamp, record.sensor, count))

    def files(self, modalities: Sequence[str]) -> Iterator[tuple[str, bool, str]]:
        """Yield channel, keyframe or not, and file name of all data, channel by channel."""
        marks = ", ".join("?" * len(modalities))
        with closing(open_cache(self._cache)) as database:
            yield from database.execute(
                "SELECT p.channel, d.key_frame, d.filename FROM data AS d "
                f"JOIN place AS p ON p.id = d.place WHERE p.modality IN ({marks}) "
                "ORDER BY p.channel, d.key_frame",
                tuple(modalities),
            )

    def _records(self, condition: str, values: tuple) -> list[SensorRecord]:
        return [self._record(*row) for row in self._query(_COLUMNS + condition, values)]

    def _record(
        self,
        token: str,
        stamp: int,
        sensor: str,
        modality: str,
        key_frame: int,
        filename: str,
        height: int,
        width: int,
        place: bytes,
        intrinsics: bytes | None,
        pose_stamp: int,
        pose: bytes,
        scene: str,
    ) -> SensorRecord:
        return SensorRecord(
            token=token,
            stamp=stamp,
            sensor=sensor,
            modality=modality,
            key_frame=bool(key_frame),
            file=self.root / filename,
            size=(height, width),
            sensor2ego=_transform(place),
            intrinsics=None if intrinsics is None else _matrix(intrinsics),
            pose_stamp=pose_stamp,
            ego2global=_transform(pose),
            scene=scene,
        )

    def _query(self, text: str, values: tuple = ()) -> list[tuple]:
        # Opened anew each time: a connection must not go through a fork, as DataLoaders do.
        try:
            with closing(open_cache(self._cache)) as database:
                return database.execute(text, values).fetchall()
        except sqlite3.Error as error:
            raise InputError(
                f"table cache {self._cache}",
                found=str(error),
                expected="what was made of the tables",
                do="Remove this file: it is made anew",
                reason="no_cache",
            ) from error


def versions(root: Path | str) -> tuple[str, ...]:
    """Return the names of the folders of tables in a nuScenes data set."""
    folders = [path for path in Path(root).glob("v1.0-*") if path.is_dir()]
    # An archive that is unpacked into a folder of its own name makes a data set of that folder.
    own = (path for path in folders if any(path.glob("*.json")) or not any(path.glob("v1.0-*")))
    return tuple(sorted(path.name for path in own))


def only_version(root: Path | str) -> str:
    """Return the name of the one folder of tables in a nuScenes data set.

    Raises:
        InputError: There is none, or there are several.
    """
    found = versions(root)
    if len(found) != 1:
        raise InputError(
            f"nuScenes tables in {root}",
            found=", ".join(found) or "no folder v1.0-*",
            expected="one folder of tables",
            do="Name one: --version" if found else tables_advice(Path(root)),
            reason="missing_tables",
        )
    return found[0]


@lru_cache(maxsize=1024)
def _transform(blob: bytes) -> NDArray[np.float64]:
    numbers = np.frombuffer(blob, "<f8")
    transform = rigid(numbers[:4], numbers[4:])
    transform.flags.writeable = False
    return transform


def _matrix(blob: bytes) -> NDArray[np.float64]:
    return np.frombuffer(blob, "<f8").reshape(3, 3)


def _some(names: tuple[str, ...], most: int = 12) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
