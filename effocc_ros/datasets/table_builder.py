"""Joins the nuScenes tables into a SQLite database, in bounded memory."""

import sqlite3
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from effocc_ros.datasets.json_rows import json_rows
from effocc_ros.errors import InputError

SCHEMA_VERSION = 1
"""Raised when the database's layout changes, so that older ones are made anew."""
PAGES_KIB = 32 * 1024
"""Memory for the pages of each database, KiB."""
MICROSECONDS = 1000
"""Nanoseconds in the unit of nuScenes timestamps."""

# Blobs are little-endian float64: a pose is a quaternion (w x y z) and a translation.
SCHEMA = """
CREATE TABLE source(fingerprint TEXT);
CREATE TABLE scene(id INTEGER PRIMARY KEY, token TEXT, name TEXT);
CREATE TABLE sample(id INTEGER PRIMARY KEY, token TEXT UNIQUE, scene INT, stamp INT);
CREATE TABLE place(
    id INTEGER PRIMARY KEY, channel TEXT, modality TEXT, pose BLOB, intrinsics BLOB);
CREATE TABLE data(
    scene INT, stamp INT, token TEXT, sample INT, place INT, key_frame INT, height INT, width INT,
    filename TEXT, pose_stamp INT, pose BLOB,
    PRIMARY KEY (scene, stamp, token)) WITHOUT ROWID;
CREATE TABLE staging.pose(token TEXT, stamp INT, pose BLOB);
CREATE TABLE staging.data(
    scene INT, stamp INT, token TEXT, sample INT, place INT, key_frame INT, height INT, width INT,
    filename TEXT, pose_token TEXT);
"""
JOIN = """
INSERT INTO main.data
SELECT d.scene, d.stamp, d.token, d.sample, d.place, d.key_frame, d.height, d.width, d.filename,
       p.stamp, p.pose
FROM staging.data AS d JOIN staging.pose AS p ON p.token = d.pose_token
ORDER BY d.scene, d.stamp, d.token
"""
LEADS_NOWHERE = """
SELECT d.token, d.pose_token FROM staging.data AS d
LEFT JOIN staging.pose AS p ON p.token = d.pose_token WHERE p.token IS NULL LIMIT 1
"""

_POSE = struct.Struct("<7d")


def build_tables(database: sqlite3.Connection, folder: Path, staging: Path) -> None:
    """Read the tables of ``folder`` into an empty database.

    Args:
        database: Where they go.
        folder: With the .json tables.
        staging: A folder for a second database, which is needed meanwhile.

    Raises:
        InputError: A table is missing or broken, or a token leads nowhere; named in the text.
        sqlite3.OperationalError: The disk is full.
    """
    database.execute("ATTACH ? AS staging", (str(staging / "staging.sqlite3"),))
    for name in ("main", "staging"):
        # No journals: a database that is not finished is thrown away.
        database.execute(f"PRAGMA {name}.journal_mode = OFF")
        database.execute(f"PRAGMA {name}.synchronous = OFF")
        database.execute(f"PRAGMA {name}.cache_size = -{PAGES_KIB}")
    database.executescript(SCHEMA)
    _Builder(database, folder).run()
    database.commit()
    database.execute("DETACH staging")


class _Builder:
    """Tokens of the small tables stay in memory as numbers; the large ones are joined on disk."""

    def __init__(self, database: sqlite3.Connection, folder: Path):
        self._database, self._folder = database, folder
        self._channels: dict[str, tuple[str, str]] = {}
        self._numbers: dict[str, dict[str, int]] = {
            name: {} for name in ("scene", "sample", "calibrated_sensor")
        }
        self._scene_of: list[int] = []

    def run(self) -> None:
        for token, *names in self._rows("sensor", self._sensor):
            self._channels[token] = tuple(names)
        self._fill("scene", "main.scene", self._scene)
        self._fill("calibrated_sensor", "main.place", self._place)
        self._fill("sample", "main.sample", self._sample)
        self._fill("ego_pose", "staging.pose", self._pose)
        self._unique("ego_pose", "CREATE UNIQUE INDEX staging.pose_token ON pose(token)")
        self._fill("sample_data", "staging.data", self._data)
        for token, pose in self._database.execute(LEADS_NOWHERE):
            raise self._nowhere("sample_data", token, "ego_pose", pose)
        self._unique("sample_data", JOIN)
        self._database.execute("CREATE INDEX main.key ON data(sample, place) WHERE key_frame")

    def _sensor(self, row: dict) -> tuple:
        return row["token"], row["channel"], row["modality"]

    def _scene(self, row: dict) -> tuple:
        return self._number("scene", row), row["token"], row["name"]

    def _place(self, row: dict) -> tuple:
        channel = self._linked(self._channels, "calibrated_sensor", row, "sensor")
        intrinsics = row["camera_intrinsic"]
        matrix = np.array(intrinsics, "<f8").reshape(3, 3).tobytes() if intrinsics else None
        return self._number("calibrated_sensor", row), *channel, _pose_blob(row), matrix

    def _sample(self, row: dict) -> tuple:
        self._scene_of.append(self._linked(self._numbers["scene"], "sample", row, "scene"))
        stamp = row["timestamp"] * MICROSECONDS
        return self._number("sample", row), row["token"], self._scene_of[-1], stamp

    def _pose(self, row: dict) -> tuple:
        return row["token"], row["timestamp"] * MICROSECONDS, _pose_blob(row)

    def _data(self, row: dict) -> tuple:
        numbers = self._numbers
        sample = self._linked(numbers["sample"], "sample_data", row, "sample")
        place = self._linked(numbers["calibrated_sensor"], "sample_data", row, "calibrated_sensor")
        return (
            self._scene_of[sample],
            row["timestamp"] * MICROSECONDS,
            row["token"],
            sample,
            place,
            bool(row["is_key_frame"]),
            row.get("height") or 0,
            row.get("width") or 0,
            row["filename"],
            row["ego_pose_token"],
        )

    def _number(self, table: str, row: dict) -> int:
        numbers = self._numbers[table]
        if row["token"] in numbers:
            raise ValueError("its token is that of an earlier row")
        return numbers.setdefault(row["token"], len(numbers))

    def _fill(self, table: str, target: str, convert: Callable[[dict], tuple]) -> None:
        rows = self._rows(table, convert)
        first = next(rows, None)
        if first is not None:
            marks = ", ".join("?" * len(first))
            insert = f"INSERT INTO {target} VALUES ({marks})"
            self._database.execute(insert, first)
            self._database.executemany(insert, rows)

    def _rows(self, table: str, convert: Callable[[dict], tuple]) -> Iterator[tuple]:
        for row in json_rows(self._folder / f"{table}.json"):
            try:
                yield convert(row)
            except InputError:
                raise
            except (KeyError, TypeError, ValueError) as error:
                raise InputError(
                    f"{table} {row.get('token')} in {self._folder}",
                    found=f"a row that cannot be used ({type(error).__name__}: {error})",
                    expected="the fields of the nuScenes schema",
                    reason="bad_table",
                ) from error

    def _linked(self, table: dict, source: str, row: dict, target: str):
        token = row[f"{target}_token"]
        if token not in table:
            raise self._nowhere(source, row["token"], target, token)
        return table[token]

    def _nowhere(self, source: str, row: str, target: str, token: str) -> InputError:
        return InputError(
            f"{source} {row} in {self._folder}",
            found=f"the token {token}, which {target}.json does not have",
            expected=f"a token of {target}.json",
            do="Take all tables from one download",
            reason="missing_token",
        )

    def _unique(self, table: str, command: str) -> None:
        try:
            self._database.execute(command)
        except sqlite3.IntegrityError as error:
            raise InputError(
                f"nuScenes table {self._folder / table}.json",
                found=f"two rows with one token ({error})",
                expected="a token of its own for every row",
                do="Unpack the metadata archive again",
                reason="bad_table",
            ) from error


def _pose_blob(row: dict) -> bytes:
    """56 bytes: float64 quaternion (w, x, y, z), then translation in metres."""
    (w, x, y, z), (east, north, up) = row["rotation"], row["translation"]
    return _POSE.pack(w, x, y, z, east, north, up)
