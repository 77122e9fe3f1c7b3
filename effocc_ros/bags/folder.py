# SPDX-License-Identifier: Apache-2.0
"""Which storage files make up a bag, as its metadata.yaml says."""

import logging
import re
import reprlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from effocc_ros.errors import InputError
from effocc_ros.plain_files import read_yaml

logger = logging.getLogger(__name__)

PART = re.compile(r"(.*?)(?:_(\d+))?(\.mcap|\.db3)(\.zstd)?")
"""How rosbag2 names the parts of a recording: its own name, their number, their kind."""

ZSTD = ".zstd"
"""Suffix of a storage file that is packed as a whole."""

MOST_METADATA = 4 << 20
"""Bytes of a metadata.yaml: ten thousand topics or parts."""


@dataclass(frozen=True)
class BagFiles:
    """The files that make up a bag.

    Attributes:
        paths: Its storage files in the order of recording.
        messages: How many messages metadata.yaml counts; None where it says nothing.
        unfinished: No metadata.yaml, or none that can be read: the recorder was killed, and the
            last part may lack its end.
    """

    paths: tuple[Path, ...]
    messages: int | None = None
    unfinished: bool = False


def bag_files(path: Path) -> BagFiles:
    """Find the storage files of a bag.

    Args:
        path: Folder of a rosbag2, or one storage file.

    Raises:
        InputError: Nothing there, parts that are missing, or a broken metadata.yaml beside files
            that are not one recording's.
    """
    if path.is_file():
        return BagFiles((path,))
    if not path.is_dir():
        raise InputError(
            f"bag {path}",
            found="nothing there",
            expected="the folder of a rosbag2, or its .mcap or .db3 file",
            reason="no_such_bag",
        )
    metadata = path / "metadata.yaml"
    if not metadata.is_file():
        return BagFiles(_parts(path), unfinished=True)
    try:
        names, messages = _listed(metadata)
    except InputError as error:
        return BagFiles(_instead(path, error), unfinished=True)
    files = tuple(_located(path, name) for name in names)
    missing = [file.name for file in files if not file.is_file()]
    if not missing:
        return BagFiles(files, messages)
    refused = _refused_parts(path, files, missing)
    if len(missing) < len(files):
        raise refused
    renamed = _instead(path, refused)
    if len(renamed) != len(files):
        raise refused
    logger.warning("bag %s: its files are not called as metadata.yaml says, and are read", path)
    return BagFiles(renamed, messages)


def _instead(path: Path, error: InputError) -> tuple[Path, ...]:
    """Return the parts of the one recording in a folder whose list of parts is of no use.

    Raises:
        InputError: The error that is given, where there is no such recording.
    """
    try:
        return _parts(path)
    except InputError:
        raise error from None


def _located(folder: Path, name: str) -> Path:
    # Bags of Eloquent and before name their files relative to the folder's parent. What lies
    # outside of the folder is not opened.
    parts = PurePosixPath(name)
    outside = parts.is_absolute() or ".." in parts.parts
    direct = folder / name
    if direct.is_file() and not outside:
        return direct
    # Files are packed and unpacked by hand, and the list stays as it was.
    other = name[: -len(ZSTD)] if name.endswith(ZSTD) else name + ZSTD
    file = folder / parts.name
    twin = folder / PurePosixPath(other).name
    return twin if twin.is_file() and not file.is_file() else file


def _listed(metadata: Path) -> tuple[list[str], int | None]:
    """Return the names of the storage files and the number of messages."""
    try:
        information = read_yaml(metadata, MOST_METADATA)["rosbag2_bagfile_information"]
        paths = information["relative_file_paths"]
        messages = information.get("message_count")
    except (OSError, ValueError) as error:
        found = f"text that is not YAML ({error})"
    except (TypeError, KeyError, AttributeError) as error:
        found = f"no relative_file_paths ({error})"
    else:
        if isinstance(paths, list) and paths and all(isinstance(name, str) for name in paths):
            return paths, messages if isinstance(messages, int) else None
        found = f"relative_file_paths: {reprlib.repr(paths)}"
    raise InputError(
        f"bag metadata {metadata}",
        found=found,
        expected="rosbag2_bagfile_information with a list of relative_file_paths",
        do=f"Write it anew: ros2 bag reindex {metadata.parent}",
        reason="bad_metadata",
    )


def _parts(path: Path) -> tuple[Path, ...]:
    """Return the parts of the one recording that a folder without metadata.yaml holds."""
    found = {
        file.name: match
        for file in sorted(path.iterdir())
        # macOS leaves a file ._NAME beside each that it copies.
        if (match := PART.fullmatch(file.name)) and file.is_file() and file.name[0] != "."
    }
    numbers = sorted(int(match[2] or 0) for match in found.values())
    whole = numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else False
    if whole and len({(match[1], match[3]) for match in found.values()}) == 1:
        ordered = sorted(found, key=lambda name: int(found[name][2] or 0))
        return tuple(path / name for name in ordered)
    if found:
        what = f"no metadata.yaml, and {_some(sorted(found))}, which are not one recording's parts"
        advice = f"Give one of the files ({path / min(found)}), or put the missing parts back"
    else:
        what = "a folder without metadata.yaml and without .mcap or .db3 files"
        advice = "Give the folder that ros2 bag record made"
    raise InputError(
        f"bag {path}",
        found=what,
        expected="a rosbag2 folder: metadata.yaml and its storage files",
        do=advice,
        reason="not_a_bag",
    )


def _refused_parts(path: Path, files: tuple[Path, ...], missing: list[str]) -> InputError:
    there = [file for file in files if file.name not in missing]
    alone = f"; or read one part alone: {there[0]}" if there else ""
    return InputError(
        f"bag {path}",
        found=f"{len(there)} of the {len(files)} parts that metadata.yaml lists; "
        f"missing: {_some(missing)}",
        expected="all of them in the folder",
        do="Put them back; or make metadata.yaml fit what is there: "
        f"ros2 bag reindex {path}{alone}",
        reason="missing_parts",
    )


def _some(names: list[str], most: int = 4) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
