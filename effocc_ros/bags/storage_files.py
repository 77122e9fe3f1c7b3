# SPDX-License-Identifier: Apache-2.0
"""What a storage file is, told from its own bytes, before anything tries to read it."""

import struct
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import BinaryIO

from effocc_ros.bags.unpacking import ZSTD_MAGIC
from effocc_ros.errors import InputError

MCAP_MAGIC = b"\x89MCAP0\r\n"
SQLITE_MAGIC = b"SQLite format 3\x00"
ROSBAG1_MAGIC = b"#ROSBAG"

RECORD = struct.Struct("<BQ")
"""Opcode and length before every record of an MCAP file."""
MESSAGE, CHUNK = 5, 6
MOST_RECORDS = 100_000
"""Records before the first message that are looked at: types, channels, attachments."""

NOTHING_SAVED = (
    "nothing in it can be saved. Record again, and end the recorder with Ctrl-C or SIGTERM"
)

EXPECTED = "a rosbag2 storage file, MCAP or sqlite3, written by ROS 2"


def identify(path: Path, *, unfinished: bool = False) -> str:
    """Tell which rosbag2 storage a file is.

    Args:
        path: An existing file.
        unfinished: Whether an MCAP file may lack its end.

    Returns:
        ``mcap``, ``sqlite3`` or ``zstd`` (a storage file compressed as a whole).

    Raises:
        InputError: It is none of these, is cut short, or is a bag of ROS 1; names the file, what
            it is, and what can be done.
    """
    with path.open("rb") as file:
        head = file.read(100)
    if head.startswith(MCAP_MAGIC):
        if not unfinished:
            _check_mcap(path)
        return "mcap"
    if head.startswith(SQLITE_MAGIC):
        _check_sqlite(path, head)
        return "sqlite3"
    if head.startswith(ZSTD_MAGIC):
        return "zstd"
    if head.startswith(ROSBAG1_MAGIC):
        raise InputError(
            f"bag {path}",
            found="a ROS 1 bag",
            expected=EXPECTED,
            do=f"Convert it: rosbags-convert --src {path.name} --dst {path.stem}",
            reason="ros1_bag",
        )
    found = (
        f"{path.stat().st_size} bytes that begin with {head[:8]!r}" if head else "an empty file"
    )
    raise InputError(
        f"bag {path}",
        found=found,
        expected=EXPECTED,
        do="Give the folder of a rosbag2, or its .mcap or .db3 file",
        reason="not_a_bag",
    )


def _check_mcap(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - len(MCAP_MAGIC)))
        if size > 2 * len(MCAP_MAGIC) and file.read() == MCAP_MAGIC:
            return
        saved = _has_messages(file, size)
    advice = f"Save what is in it: mcap recover {path.name} -o recovered.mcap"
    raise InputError(
        f"bag {path}",
        found=f"an MCAP file of {size} bytes without its end, as a crash leaves it",
        expected="a file that was closed",
        do=advice if saved else f"It ends before its first messages are whole: {NOTHING_SAVED}",
        reason="truncated_bag",
    )


def _has_messages(file: BinaryIO, size: int) -> bool:
    """Return whether at least one message, or chunk of them, is whole in an MCAP file."""
    place = len(MCAP_MAGIC)
    for _ in range(MOST_RECORDS):
        file.seek(place)
        head = file.read(RECORD.size)
        if len(head) < RECORD.size or not head[0]:
            return False  # zeros, as a disk fills an end that was never written
        opcode, length = RECORD.unpack(head)
        place += RECORD.size + length
        if place > size:
            return False  # cut here, or a length that no file has
        if opcode in (MESSAGE, CHUNK):
            return True
    return False


def without_messages(path: Path, names: Collection[str]) -> InputError:
    """Return what to say of a folder without metadata.yaml in whose files no message is whole.

    Args:
        path: The folder.
        names: Names of the storage files.
    """
    return InputError(
        f"bag {path}",
        found=f"no metadata.yaml, and no whole message in {', '.join(names)}, as a recorder that "
        "was killed at its start leaves it",
        expected="messages",
        do=f"Look for another copy; {NOTHING_SAVED}",
        reason="truncated_bag",
    )


def foreign_bag(path: Path, topics: Mapping[str, str], kinds: Collection[str]) -> InputError:
    """Return what to say of a bag in which no topic is serialised as ROS 2 does.

    Args:
        path: The bag.
        topics: Its topics -> how they are serialised.
        kinds: The languages of its type definitions.
    """
    said = ", ".join(sorted(set(kinds) - {""}))
    found = f"messages serialised as '{next(iter(topics.values()))}'" if topics else "no messages"
    advice = "Record the bag with ros2 bag record"
    if "ros1msg" in kinds:
        advice = "Record it in ROS 2, or convert the ROS 1 bag with rosbags-convert"
    elif "protobuf" in kinds:
        advice = (
            "Protobuf messages (Foxglove's converters write them) cannot be played by ros2 bag "
            "either (ros2/rosbag2#1245): make the bag from the data set with effocc nuscenes2bag"
        )
    return InputError(
        f"bag {path}",
        found=f"{found}{f' and {said} schemas' if said else ''}",
        expected="cdr messages, as ROS 2 writes them",
        do=advice,
        reason="foreign_bag",
    )


def _check_sqlite(path: Path, head: bytes) -> None:
    size = path.stat().st_size
    page_size, page_count = 0, 0
    if len(head) == 100:
        page_size = struct.unpack_from(">H", head, 16)[0]
        page_count = struct.unpack_from(">I", head, 28)[0]
    page_size = 65536 if page_size == 1 else page_size
    if not page_size or size < page_size * page_count:
        raise InputError(
            f"bag {path}",
            found=f"a sqlite3 file of {size} bytes that says it has {page_size * page_count}",
            expected="a file that was closed and copied whole",
            do=f"Copy it again, or save what is in it: sqlite3 {path.name} .recover",
            reason="truncated_bag",
        )
