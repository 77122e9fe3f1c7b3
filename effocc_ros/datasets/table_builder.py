# SPDX-License-Identifier: Apache-2.0
"""Joins the nuScenes tables into a SQLite database, in bounded memory."""

import sqlite3
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from effocc_ros.datasets.json_rows import json_rows
from effocc_ros.datasets.table_fields import Row
from effocc_ros.errors import InputError
from effocc_ros.stamps import NANOSECONDS

SCHEMA_VERSION = 2
"""Raised when the database's layout changes, so that older ones are made anew."""
PAGES_KIB = 32 * 1024
"""Memory for the pages of each database, KiB."""
POSE_GAP = 10 * NANOSECONDS
"""Between a measurement and its ego pose; the files of nuScenes have both at one moment."""
SHORTEST_GAP = NANOSECONDS // 1000
"""Between the keyframes of a scene on average; less is a mistake of unit."""

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

FAR_POSE = """
SELECT token, stamp, pose_stamp FROM main.data WHERE abs(stamp - pose_stamp) > ? LIMIT 1
"""
CROWDED = """
SELECT s.name, count(*), max(k.stamp) - min(k.stamp) FROM main.sample AS k
JOIN main.scene AS s ON s.id = k.scene GROUP BY k.scene
HAVING count(*) > 1 AND max(k.stamp) - min(k.stamp) < ? * (count(*) - 1) LIMIT 1
"""

_POSE, _MATRIX = struct.Struct("<7d"), struct.Struct("<9d")


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
        self._check_times()
        self._database.execute("CREATE INDEX main.key ON data(sample, place) WHERE key_frame")

    def _sensor(self, row: Row) -> tuple:
        return row.text("token"), row.text("channel"), row.text("modality")

    def _scene(self, row: Row) -> tuple:
        return self._number("scene", row), row.name("token"), row.name("name")

    def _place(self, row: Row) -> tuple:
        channel = self._linked(self._channels, row, "sensor")
        matrix = row.intrinsics()
        blob = None if matrix is None else _MATRIX.pack(*matrix)
        number = self._number("calibrated_sensor", row)
        return number, *channel, _POSE.pack(*row.pose()), blob

    def _sample(self, row: Row) -> tuple:
        self._scene_of.append(self._linked(self._numbers["scene"], row, "scene"))
        return self._number("sample", row), row.name("token"), self._scene_of[-1], row.stamp()

    def _pose(self, row: Row) -> tuple:
        return row.text("token"), row.stamp(), _POSE.pack(*row.pose())

    def _data(self, row: Row) -> tuple:
        numbers = self._numbers
        sample = self._linked(numbers["sample"], row, "sample")
        place = self._linked(numbers["calibrated_sensor"], row, "calibrated_sensor")
        return (
            self._scene_of[sample],
            row.stamp(),
            row.name("token"),
            sample,
            place,
            row.flag("is_key_frame"),
            row.pixels("height"),
            row.pixels("width"),
            row.file("filename"),
            row.text("ego_pose_token"),
        )

    def _number(self, table: str, row: Row) -> int:
        numbers, token = self._numbers[table], row.text("token")
        if token in numbers:
            raise row.bad("token", "a token of its own for every row")
        return numbers.setdefault(token, len(numbers))

    def _fill(self, table: str, target: str, convert: Callable[[Row], tuple]) -> None:
        rows = self._rows(table, convert)
        first = next(rows, None)
        if first is not None:
            marks = ", ".join("?" * len(first))
            insert = f"INSERT INTO {target} VALUES ({marks})"
            self._database.execute(insert, first)
            self._database.executemany(insert, rows)

    def _rows(self, table: str, convert: Callable[[Row], tuple]) -> Iterator[tuple]:
        path = self._table(table)
        for number, values in enumerate(json_rows(path)):
            yield convert(Row(path, number, values))

    def _linked(self, table: dict, row: Row, target: str):
        token = row.text(f"{target}_token")
        if token not in table:
            raise self._nowhere(row.table.stem, row.text("token"), target, token)
        return table[token]

    def _nowhere(self, source: str, row: str, target: str, token: str) -> InputError:
        return InputError(
            f"{source} {row} in {self._folder}",
            found=f"the token {token}, which {target}.json does not have",
            expected=f"a token of {target}.json",
            do="Take all tables from one download",
            reason="missing_token",
        )

    def _check_times(self) -> None:
        """Refuse what each row alone does not show: times of another unit than the others'."""
        for scene, count, span in self._database.execute(CROWDED, (SHORTEST_GAP,)):
            raise InputError(
                f"nuScenes table {self._table('sample')}, field timestamp",
                found=f"{count} keyframes of {scene} within {span // 1000} microseconds",
                expected="microseconds since 1970",
                do="They look like milliseconds or seconds: multiply the timestamps of all tables",
                reason="bad_table",
            )
        for token, stamp, pose in self._database.execute(FAR_POSE, (POSE_GAP,)):
            raise InputError(
                f"nuScenes table {self._table('ego_pose')}, field timestamp",
                found=f"{pose // 1000} for the sample_data {token} at {stamp // 1000}",
                expected="microseconds since 1970, and the pose of that moment",
                do="Write the timestamps of all tables in one unit and by one clock",
                reason="bad_table",
            )

    def _table(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _unique(self, table: str, command: str) -> None:
        try:
            self._database.execute(command)
        except sqlite3.IntegrityError as error:
            raise InputError(
                f"nuScenes table {self._table(table)}",
                found=f"two rows with one token ({error})",
                expected="a token of its own for every row",
                do="Unpack the metadata archive again",
                reason="bad_table",
            ) from error
