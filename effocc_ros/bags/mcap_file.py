# SPDX-License-Identifier: Apache-2.0
"""Read MCAP files of any writer: with and without chunks, indexes and summary, in any order.

The records are read by the ``mcap`` package. Its own readers and those of rosbags need an index or
an order that many good files do not have; here the index is made where it is missing.
"""

import io
import os
import struct
import zlib
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO

import numpy as np
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, ChunkIndex, Footer, Schema, Statistics
from numpy.typing import NDArray

from effocc_ros.bags.storage import (
    INDEX,
    BrokenStorage,
    Entry,
    StoredTopic,
    definition_of,
    offered_qos,
)
from effocc_ros.bags.unpacking import unpack_chunk

MAGIC = b"\x89MCAP0\r\n"
HEAD = struct.Struct("<BQ")
"""Opcode and length before every record."""

MESSAGE = struct.Struct("<HIQQ")
"""Channel, sequence, log time and publish time before a message's bytes."""

FOOTER_SIZE = HEAD.size + 20 + len(MAGIC)
DAY_OF_DOOM = 2**63
"""Nanoseconds that no clock of ROS can tell: its seconds are signed."""

CACHE = 128 * 1024 * 1024
"""Bytes of unpacked chunks that are kept, beside the newest: topics may lie far apart."""


class McapFile:
    """An open MCAP file; see :class:`~effocc_ros.bags.storage.Storage`.

    Args:
        file: The file.
        name: Its name, for errors.
        unfinished: Read as far as it goes where it has no end, as a recorder that was killed
            leaves it.

    Raises:
        BrokenStorage: It is damaged, or holds fewer messages than its own statistics count.
    """

    def __init__(self, file: BinaryIO, name: str, *, unfinished: bool = False):
        self.name, self._file = name, file
        self._size = os.fstat(file.fileno()).st_size
        self._unfinished = unfinished
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        self._statistics: Statistics | None = None
        self._chunks: OrderedDict[int, bytes] = OrderedDict()
        indexes = self._summary()
        index = None if indexes is None else self._recorded_index(indexes)
        self.index = self._scanned_index() if index is None else index
        self._check_counts(self.index)
        self.topics = {each.id: self._topic(each) for each in self._channels.values()}

    @property
    def schema_kinds(self) -> set[str]:
        """The languages of all type definitions, also of those that no channel uses."""
        return {schema.encoding for schema in self._schemas.values()}

    def read(self, entry: Entry, most: int | None = None) -> bytes:
        """Return the bytes of a message, or its first ``most``.

        Raises:
            BrokenStorage: They are not where the index has them.
        """
        begin = HEAD.size + MESSAGE.size
        if entry.block:
            source = self._chunk(entry.block)
            head = source[entry.at : entry.at + begin]
        else:
            head = self._bytes(entry.at, begin)
        if len(head) < begin:
            raise BrokenStorage(f"no message at byte {entry.block or entry.at}")
        opcode, length = HEAD.unpack_from(head)
        channel, _, log_time, _ = MESSAGE.unpack_from(head, HEAD.size)
        if (opcode, channel, log_time) != (Opcode.MESSAGE, entry.topic, entry.log_time):
            raise BrokenStorage(f"another record at byte {entry.block or entry.at}")
        size = length - MESSAGE.size
        wanted = size if most is None else min(most, size)
        if entry.block:
            data = source[entry.at + begin : entry.at + begin + wanted]
        else:
            data = self._bytes(entry.at + begin, wanted)
        if len(data) < wanted:
            raise BrokenStorage(f"a message of {size} bytes that ends after {len(data)}")
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _summary(self) -> list[ChunkIndex] | None:
        """Read schemas, channels, statistics and chunk indexes; None where there are none."""
        if self._unfinished:
            return None
        tail = self._bytes(self._size - FOOTER_SIZE, FOOTER_SIZE)
        if HEAD.unpack_from(tail) != (Opcode.FOOTER, 20):
            raise BrokenStorage("no footer")
        footer = Footer.read(_stream(tail[HEAD.size :]))
        if not footer.summary_start:
            return None
        if not len(MAGIC) <= footer.summary_start <= self._size - FOOTER_SIZE:
            raise BrokenStorage(f"a summary at byte {footer.summary_start} of {self._size}")
        indexes = []
        for opcode, _, length, at in self._records(footer.summary_start):
            if opcode == Opcode.CHUNK_INDEX:
                indexes.append(ChunkIndex.read(_stream(self._bytes(at, length))))
            else:
                self._note(opcode, at, length)
        return indexes

    def _note(self, opcode: int, at: int, length: int) -> None:
        if opcode in (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.STATISTICS):
            self._take(opcode, self._bytes(at, length))

    def _take(self, opcode: int, body: bytes) -> None:
        if opcode == Opcode.SCHEMA:
            schema = Schema.read(_stream(body))
            self._schemas[schema.id] = schema
        elif opcode == Opcode.CHANNEL:
            channel = Channel.read(_stream(body))
            self._channels[channel.id] = channel
        elif opcode == Opcode.STATISTICS:
            self._statistics = Statistics.read(_stream(body))

    def _recorded_index(self, indexes: list[ChunkIndex]) -> NDArray | None:
        """Read the index that the file has; None where it is not of all of its messages."""
        statistics = self._statistics
        if statistics is None or any(not each.message_index_offsets for each in indexes):
            return None
        parts = [np.empty(0, INDEX)]
        for chunk in sorted(indexes, key=lambda each: each.chunk_start_offset):
            for channel, place in chunk.message_index_offsets.items():
                if channel not in self._channels:
                    return None  # the summary leaves out channels that only the data have
                opcode, length = HEAD.unpack(self._bytes(place, HEAD.size))
                body = self._bytes(place + HEAD.size, length)
                known, size = struct.unpack_from("<HI", body)
                if (opcode, known, size % 16) != (Opcode.MESSAGE_INDEX, channel, 0):
                    raise BrokenStorage(f"no message index at byte {place}")
                times = np.frombuffer(body, "<u8", size // 8, 6).reshape(-1, 2)
                _check_times(times[:, 0])
                rows = np.empty(len(times), INDEX)
                rows["topic"], rows["block"] = channel, chunk.chunk_start_offset
                rows["log_time"], rows["at"] = times[:, 0], times[:, 1]
                parts.append(rows)
        index = np.concatenate(parts)
        if len(index) != statistics.message_count:
            return None
        return index[np.lexsort((index["at"], index["block"]))]

    def _scanned_index(self) -> NDArray:
        """Walk through the file and note every message."""
        rows: list[tuple[int, int, int, int]] = []
        for opcode, start, length, at in self._records(len(MAGIC)):
            if opcode == Opcode.MESSAGE:
                channel, _, log_time, _ = MESSAGE.unpack(self._bytes(at, MESSAGE.size))
                rows.append((channel, log_time, 0, start))
            elif opcode == Opcode.CHUNK:
                try:
                    rows += self._scanned_chunk(start)
                except Exception:  # whatever the bytes lead zstd, LZ4 and struct to
                    if not self._unfinished:
                        raise
                    break  # the disk filled the end with zeros
            else:
                self._note(opcode, at, length)
        _check_times(log_time for _, log_time, *_ in rows)
        return np.array(rows, INDEX)

    def _scanned_chunk(self, start: int) -> Iterator[tuple[int, int, int, int]]:
        data = self._chunk(start)
        for opcode, place, length, at in _records_of(data):
            if opcode == Opcode.MESSAGE:
                channel, _, log_time, _ = MESSAGE.unpack_from(data, at)
                yield channel, log_time, start, place
            else:
                self._take(opcode, data[at : at + length])

    def _records(self, start: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield opcode, place, length of the body and place of the body, up to the footer."""
        while start + HEAD.size <= self._size:
            opcode, length = HEAD.unpack(self._bytes(start, HEAD.size))
            at = start + HEAD.size
            if opcode == Opcode.FOOTER:
                return
            if not opcode or at + length > self._size:
                break
            yield opcode, start, length, at
            start = at + length
        if not self._unfinished:
            raise BrokenStorage(f"a record at byte {start} that does not end")

    def _chunk(self, start: int) -> bytes:
        """Return the unpacked bytes of the chunk that begins at a byte."""
        if start in self._chunks:
            self._chunks.move_to_end(start)
            return self._chunks[start]
        opcode, length = HEAD.unpack(self._bytes(start, HEAD.size))
        if opcode != Opcode.CHUNK:
            raise BrokenStorage(f"no chunk at byte {start}")
        body = self._bytes(start + HEAD.size, length)
        _, _, size, crc, named = struct.unpack_from("<QQQII", body)
        compression = body[32 : 32 + named].decode()
        (packed,) = struct.unpack_from("<Q", body, 32 + named)
        data = unpack_chunk(body[40 + named : 40 + named + packed], compression, size)
        if crc and zlib.crc32(data) != crc:
            raise BrokenStorage(f"another checksum than the chunk at byte {start} should have")
        self._chunks[start] = data
        kept = sum(map(len, self._chunks.values()))
        while kept > CACHE and len(self._chunks) > 1:
            kept -= len(self._chunks.popitem(last=False)[1])
        return data

    def _bytes(self, start: int, count: int) -> bytes:
        """Return bytes of the file; all of them or an error."""
        if start < 0 or count > self._size - start:
            raise BrokenStorage(f"{count} bytes wanted at byte {start} of {self._size}")
        self._file.seek(start)
        return self._file.read(count)

    def _check_counts(self, index: NDArray) -> None:
        """Refuse to pass off a part for the whole."""
        found = Counter(index["topic"].tolist())
        if not found.keys() <= self._channels.keys():
            raise BrokenStorage("messages of a channel that nothing describes")
        if self._statistics is None:
            return
        for channel, count in self._statistics.channel_message_counts.items():
            if found[channel] < count:
                known = self._channels.get(channel)
                topic = known.topic if known is not None else f"channel {channel}"
                raise BrokenStorage(
                    f"{found[channel]} messages of {topic}, of which its own statistics count "
                    f"{count}"
                )
        if len(index) < self._statistics.message_count:
            count = self._statistics.message_count
            raise BrokenStorage(f"{len(index)} of the {count} messages that its statistics count")

    def _topic(self, channel: Channel) -> StoredTopic:
        schema = self._schemas.get(channel.schema_id)
        kind, text = ("", "") if schema is None else (schema.encoding, "")
        if schema is not None:
            with suppress(UnicodeDecodeError):
                text = schema.data.decode()
        return StoredTopic(
            id=channel.id,
            name=channel.topic,
            msgtype="" if schema is None else schema.name,
            encoding=channel.message_encoding,
            definition=definition_of(kind, text),
            definition_kind=kind,
            qos=offered_qos(channel.metadata.get("offered_qos_profiles", "")),
        )


def _check_times(log_times: Iterable[int]) -> None:
    if max(log_times, default=0) >= DAY_OF_DOOM:
        raise BrokenStorage("a log time beyond all clocks")


def _records_of(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    start = 0
    while start < len(data):
        opcode, length = HEAD.unpack_from(data, start)
        at = start + HEAD.size
        if at + length > len(data):
            raise BrokenStorage("a chunk that ends within a record")
        yield opcode, start, length, at
        start = at + length


def _stream(body: bytes) -> ReadDataStream:
    return ReadDataStream(io.BytesIO(body))
