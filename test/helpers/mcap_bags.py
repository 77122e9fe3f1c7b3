# SPDX-License-Identifier: Apache-2.0
"""MCAP files as other writers make them: without chunks, indexes, summary, end or profile."""

from collections.abc import Iterable
from pathlib import Path

from helpers.toy_drive import Sent
from mcap.writer import CompressionType, IndexType, Writer

from effocc_ros.bags.typestore import base_typestore

PLAIN = {"compression": CompressionType.NONE}
KINDS = {
    "plain": PLAIN,
    "lz4": {"compression": CompressionType.LZ4},
    "small chunks": {**PLAIN, "chunk_size": 20_000},
    "no chunks": {**PLAIN, "use_chunking": False},
    "no message index": {**PLAIN, "index_types": IndexType.CHUNK},
    "no chunk index": {**PLAIN, "index_types": IndexType.MESSAGE},
    "no index": {**PLAIN, "index_types": IndexType.NONE},
    "no statistics": {**PLAIN, "use_statistics": False},
    "no summary": {
        **PLAIN,
        "index_types": IndexType.NONE,
        "use_statistics": False,
        "repeat_channels": False,
        "repeat_schemas": False,
        "use_summary_offsets": False,
    },
}
"""Ways to write a good file -> options of the writer."""


def write_mcap(
    path: Path,
    sent: Iterable[Sent],
    options: dict = PLAIN,
    *,
    profile: str = "ros2",
    other: tuple[str, str, bytes] | None = None,
) -> Path:
    """Write messages in the order given.

    Args:
        path: The file.
        sent: The messages.
        options: Of mcap's writer, for example one of :data:`KINDS`.
        profile: What the header says.
        other: Message encoding, schema encoding and bytes of a channel that is not of ROS 2.
    """
    writer = Writer(str(path), **options)
    writer.start(profile=profile, library="test")
    if other is not None:
        encoding, kind, data = other
        schema = writer.register_schema("log.Event", kind, b"") if kind else 0
        channel = writer.register_channel("/events", encoding, schema)
    channels: dict[tuple[str, str], int] = {}
    for one in sent:
        kind = one.topic, one.msgtype
        if kind not in channels:
            text, _ = base_typestore().generate_msgdef(one.msgtype, ros_version=2)
            schema = writer.register_schema(one.msgtype, "ros2msg", text.encode())
            channels[kind] = writer.register_channel(one.topic, "cdr", schema)
        writer.add_message(channels[kind], one.log_time, one.raw, one.log_time)
        if other is not None:
            writer.add_message(channel, one.log_time, data, one.log_time)
    writer.finish()
    return path
