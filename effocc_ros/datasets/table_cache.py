# SPDX-License-Identifier: Apache-2.0
"""The nuScenes tables as one SQLite file: made once, opened at once.

The JSON tables of trainval are 1.3 GB or more, and what one sample needs is scattered over all of
them. Here the rows are joined and laid down scene by scene, in the order of time.
"""

import hashlib
import json
import logging
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from effocc_ros.datasets.table_builder import SCHEMA_VERSION, build_tables
from effocc_ros.errors import InputError
from effocc_ros.files import only_writer

TABLES = ("scene", "sample", "sensor", "calibrated_sensor", "ego_pose", "sample_data")
"""The tables that Frames are made from."""

SLOW_BYTES = 50_000_000
"""Tables of so many bytes take a while, which is said."""

logger = logging.getLogger(__name__)


def table_cache(root: Path, version: str) -> Path:
    """Return the SQLite file of a version's tables; make it when there is none that fits.

    It lies in ``root``, or in the user's cache folder (``$XDG_CACHE_HOME``) where ``root`` cannot
    be written. It fits while size and time of change of every table are as they were. When several
    processes want it at once, one makes it and the others wait.

    Args:
        root: The data set's folder.
        version: Name of the folder of tables in it.

    Raises:
        InputError: A table is missing or broken, or there is no place for the file.
    """
    folder = root / version
    stamp = fingerprint(folder)
    places = (root / f".{version}.sqlite3", _user_place(folder))
    for place in places:
        if _fits(place, stamp):
            return place
    place = places[0] if os.access(root, os.W_OK) else places[1]
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with only_writer(place.with_suffix(".lock"), wait=True):
            if not _fits(place, stamp):
                _make(folder, place, stamp)
    except (OSError, sqlite3.OperationalError) as error:
        raise InputError(
            f"table cache {place}",
            found=str(error),
            expected="a place for about half the size of the tables, twice that for a minute",
            do="Free space, or let XDG_CACHE_HOME name a folder that has some",
            reason="no_cache",
        ) from error
    return place


def fingerprint(folder: Path) -> str:
    """Return what tells one state of a folder of tables from another, as text.

    Raises:
        InputError: A table is missing.
    """
    states = {}
    for name in TABLES:
        path = folder / f"{name}.json"
        try:
            state = path.stat()
        except OSError as error:
            raise InputError(
                f"nuScenes table {path}",
                found="no such file",
                expected="a table of the nuScenes schema",
                do="Unpack the metadata archive again",
                reason="missing_tables",
            ) from error
        states[name] = [state.st_size, state.st_mtime_ns]
    return json.dumps([SCHEMA_VERSION, states])


def open_cache(path: Path) -> sqlite3.Connection:
    """Open a cache for reading, without locks, which some network file systems lack."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def _fits(path: Path, stamp: str) -> bool:
    if not path.is_file():
        return False
    try:
        with closing(open_cache(path)) as database:
            return database.execute("SELECT fingerprint FROM source").fetchone() == (stamp,)
    except sqlite3.Error:
        return False


def _make(folder: Path, place: Path, stamp: str) -> None:
    if sum((folder / f"{name}.json").stat().st_size for name in TABLES) > SLOW_BYTES:
        logger.warning("reading %s once, which takes minutes; kept in %s", folder, place)
    prefix = f"{place.name}-"
    for left in place.parent.glob(f"{prefix}*"):  # of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=place.parent) as staging:
        partial = Path(staging) / "whole.sqlite3"
        with closing(sqlite3.connect(partial)) as database:
            build_tables(database, folder, Path(staging))
            database.execute("INSERT INTO source VALUES (?)", (stamp,))
            database.commit()
        with open(partial, "rb+") as file:
            os.fsync(file)
        partial.replace(place)


def _user_place(folder: Path) -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return root / "effocc_ros" / f"{folder.name}-{name}.sqlite3"
