# SPDX-License-Identifier: Apache-2.0
"""Where the parts of a nuScenes data set lie: people unpack archives in many ways."""

import os
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

FULL = ("samples", "sweeps", "maps", "gts")
"""Folders in which no tables are looked for, for they hold far too much."""
MOST_FOLDERS = 2000
DEEPEST = 3


def labels_folder(root: Path, folders: Collection[str], scenes: Collection[str]) -> Path:
    """Return where the labels of a benchmark are, below a data set's folder or beside it.

    Args:
        root: The data set's folder.
        folders: Names and paths in use, the benchmark's own first.
        scenes: Names of the folders of scenes, of which at least one is there.

    Returns:
        The first that holds a scene; the benchmark's own below ``root`` where none does.
    """
    wanted = set(scenes)
    for place in (base / folder for base in (root, root.parent) for folder in folders):
        if not wanted.isdisjoint(_names(place)):
            return place
    return root / next(iter(folders))


def near_data_set(root: Path) -> Path | None:
    """Return a data set's folder in, above or around a folder; None where there is none."""
    data = (tables.parent for tables in _with_tables(root) if tables.parent != root)
    return next((each for each in data if (each / "samples").is_dir()), None)


def tables_advice(root: Path, version: str = "") -> str:
    """Return what to do where a folder has no tables, from where there are some near it.

    Args:
        root: What was given for the data set's folder.
        version: The folder of tables that was looked for; empty for any.
    """
    for tables in _with_tables(root):
        data = tables.parent
        if data == root:
            return f"Name the folder of tables: --version {tables.name}"
        if any((data / name).is_dir() for name in ("samples", "sweeps", "data")):
            return f"Give {data}, whose tables are in {tables.name}"
        return f"Move {tables} to {root / (version or tables.name)}, beside samples/"
    return "Give the folder that samples/ is in, and unpack the tables (metadata) there"


def _with_tables(root: Path) -> Iterator[Path]:
    for folder in islice(_near(root), MOST_FOLDERS):
        if all((folder / f"{name}.json").is_file() for name in ("scene", "sample_data")):
            yield folder


def _near(root: Path) -> Iterator[Path]:
    """Yield a folder, those above it with theirs, and those below, the nearest first."""
    yield root
    for above in (root.parent, root.parent.parent):
        yield from (above / name for name in sorted(_names(above)) if name.startswith("v1.0-"))
    level = [root]
    for _ in range(DEEPEST):
        level = [
            folder / name
            for folder in level
            for name in sorted(_names(folder))
            if name not in FULL
        ]
        yield from level


def _names(folder: Path) -> list[str]:
    """Return the names of the folders in a folder; nothing where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir()]
    except OSError:
        return []
