"""What a storage file is, told from its own bytes, before anything tries to read it."""

import struct
from collections.abc import Iterator
from pathlib import Path

from effocc_ros.errors import InputError

MCAP_MAGIC = b"\x89MCAP0\r\n"
SQLITE_MAGIC = b"SQLite format 3\x00"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ROSBAG1_MAGIC = b"#ROSBAG"

EXPECTED = "a rosbag2 storage file, MCAP or sqlite3, written by ROS 2"


def identify(path: Path) -> str:
    """Tell which rosbag2 storage a file is.

    Args:
        path: An existing file.

    Returns:
        ``mcap``, ``sqlite3`` or ``zstd`` (a storage file compressed as a whole).

    Raises:
        InputError: It is none of these, is cut short, or is a bag of another world (ROS 1,
            protobuf); names the file, what it is, and what can be done.
    """
    with path.open("rb") as file:
        head = file.read(100)
    if head.startswith(MCAP_MAGIC):
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
        file.seek(len(MCAP_MAGIC))
        opcode, body = next(_records(file.read(64 * 1024)), (0, b""))
        profile = _string(body, 0)[0] if opcode == 0x01 else None
        file.seek(max(0, size - len(MCAP_MAGIC)))
        whole = size > 2 * len(MCAP_MAGIC) and file.read() == MCAP_MAGIC
    if profile not in ("ros2", None):
        _refuse_profile(path, profile, _schema_encodings(path) if whole else ())
    if not whole:
        raise InputError(
            f"bag {path}",
            found=f"an MCAP file of {size} bytes without its end, as a crash leaves it",
            expected="a file that was closed",
            do=f"Save what is in it: mcap recover {path.name} -o recovered.mcap",
            reason="truncated_bag",
        )


def _refuse_profile(path: Path, profile: str, encodings: tuple[str, ...]) -> None:
    schemas = f" and {', '.join(encodings)} schemas" if encodings else ""
    if profile == "ros1":
        advice = "Record it in ROS 2, or convert the ROS 1 bag with rosbags-convert"
    elif "protobuf" in encodings:
        advice = (
            "Protobuf messages (Foxglove's converters write them) cannot be played by ros2 bag "
            "either (ros2/rosbag2#1245): make the bag from the data set with effocc nuscenes2bag"
        )
    else:
        advice = "Write the file with ros2 bag record -s mcap"
    raise InputError(
        f"bag {path}",
        found=f"an MCAP file with profile '{profile}'{schemas}",
        expected="profile 'ros2' with CDR messages",
        do=advice,
        reason="foreign_bag",
    )


def _schema_encodings(path: Path) -> tuple[str, ...]:
    """Encodings named by the schemas in the summary section; empty when there is no summary."""
    footer_size = 1 + 8 + 20 + len(MCAP_MAGIC)
    with path.open("rb") as file:
        file.seek(-footer_size, 2)
        start = struct.unpack_from("<Q", file.read(), 9)[0]
        if not start:
            return ()
        file.seek(start)
        summary = file.read(16 * 1024 * 1024)
    encodings = set()
    for opcode, body in _records(summary):
        if opcode == 0x03:
            name_end = _string(body, 2)[1]
            encodings.add(_string(body, name_end)[0])
    return tuple(sorted(encodings))


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Split MCAP bytes into (opcode, body); stops at the first record that is not complete."""
    place = 0
    while place + 9 <= len(data):
        opcode, length = struct.unpack_from("<BQ", data, place)
        place += 9
        if place + length > len(data):
            return
        yield opcode, data[place : place + length]
        place += length


def _string(body: bytes, place: int) -> tuple[str, int]:
    if place + 4 > len(body):
        return "", len(body)
    end = place + 4 + struct.unpack_from("<I", body, place)[0]
    return body[place + 4 : end].decode("utf-8", "replace"), end


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
