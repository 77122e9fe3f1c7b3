# SPDX-License-Identifier: Apache-2.0
"""Small bags of every storage, good and bad, made on the spot."""

import struct
from pathlib import Path

from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from effocc_ros.bags.messages import header_message, message
from effocc_ros.bags.typestore import base_typestore

STORAGES = {
    "sqlite3": (StoragePlugin.SQLITE3, CompressionMode.NONE),
    "mcap": (StoragePlugin.MCAP, CompressionMode.NONE),
    "sqlite3_zstd_message": (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
    "mcap_zstd_message": (StoragePlugin.MCAP, CompressionMode.MESSAGE),
    "sqlite3_zstd_file": (StoragePlugin.SQLITE3, CompressionMode.FILE),
    "mcap_zstd_file": (StoragePlugin.MCAP, CompressionMode.FILE),
    "mcap_zstd_chunk": (StoragePlugin.MCAP, CompressionMode.STORAGE),
}

START = 1_000_000_000


def string_message(text: str):
    return message("std_msgs/msg/String", data=text)


def make_small_bag(path: Path, storage: str = "mcap", count: int = 4, start: int = START) -> Path:
    """Write ``count`` strings on /chatter, every 10 ns, and one Header on /header at the start."""
    plugin, compression = STORAGES[storage]
    store = base_typestore()
    writer = Writer(path, version=8, storage_plugin=plugin)
    writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        header = writer.add_connection("/header", "std_msgs/msg/Header", typestore=store)
        chatter = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=store)
        raw = store.serialize_cdr(header_message(start, "map"), "std_msgs/msg/Header")
        writer.write(header, start, raw)
        for number in range(count):
            raw = store.serialize_cdr(string_message(f"hello {number}"), "std_msgs/msg/String")
            writer.write(chatter, start + 10 * number, raw)
    return path


def storage_file(bag: Path) -> Path:
    return next(file for file in bag.iterdir() if file.name != "metadata.yaml")


def make_protobuf_mcap(path: Path) -> Path:
    """Write an MCAP file as Foxglove's data set converters do: no profile, protobuf schemas."""
    header = _record(0x01, _text("") + _text("nuscenes2mcap"))
    data_end = _record(0x0F, bytes(4))
    schema = _record(
        0x03,
        struct.pack("<H", 1) + _text("foxglove.CompressedImage") + _text("protobuf") + bytes(4),
    )
    magic = b"\x89MCAP0\r\n"
    start = len(magic + header + data_end)
    footer = _record(0x02, struct.pack("<QQI", start, 0, 0))
    path.write_bytes(magic + header + data_end + schema + footer + magic)
    return path


def _record(opcode: int, body: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(body)) + body


def _text(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode()
