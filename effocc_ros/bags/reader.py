# SPDX-License-Identifier: Apache-2.0
"""Read any rosbag2: sqlite3 or MCAP, one file or many, zstd by message, by file or by chunk."""

import logging
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Qos, QosDurability
from rosbags.typesys.store import Typestore

from effocc_ros.bags.decoding import decode
from effocc_ros.bags.folder import BagFiles, bag_files
from effocc_ros.bags.order import order_of_use
from effocc_ros.bags.parts import damaged, open_part
from effocc_ros.bags.siblings import latched_part
from effocc_ros.bags.storage import CDR, Entry, Storage, StoredTopic
from effocc_ros.bags.storage_files import foreign_bag, without_messages
from effocc_ros.bags.topic_rows import TopicRows, index_rows
from effocc_ros.bags.typestore import bag_typestore, base_typestore, full_name
from effocc_ros.bags.unpacking import ZSTD_MAGIC, unpack_message
from effocc_ros.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BagTopic:
    """One topic of a bag.

    Attributes:
        name: The topic.
        msgtype: For example ``sensor_msgs/msg/Image``.
        count: Number of messages.
        qos: The profiles its publishers offered; empty when not recorded.
    """

    name: str
    msgtype: str
    count: int
    qos: tuple[Qos, ...] = ()

    @property
    def latched(self) -> bool:
        """True when late subscribers got its last messages (transient local), as /tf_static."""
        return any(profile.durability == QosDurability.TRANSIENT_LOCAL for profile in self.qos)


@dataclass(frozen=True)
class BagMessage:
    """One message, decoded only when asked.

    Attributes:
        topic: Its topic.
        msgtype: Its type.
        log_time: When it was recorded, nanoseconds since the epoch.
        raw: Its serialised form (CDR with the 4-byte header), ready to be published.
        moment: When it is used, nanoseconds: by the clock that its order follows.
        arrival: When it came, nanoseconds: its log time, unless that is of another day.
    """

    topic: str
    msgtype: str
    log_time: int
    raw: bytes = field(repr=False)
    moment: int
    arrival: int
    _bag: "BagReader" = field(repr=False, compare=False)

    def decode(self) -> Any:
        """Return the message with its fields; arrays are read-only views of ``raw``.

        Raises:
            InputError: The bytes are not a message of this type, or the type is unknown.
        """
        return self._bag.decode(self)


class BagReader:
    """An open bag, a context manager.

    An index of all messages is kept, some 30 bytes for each; messages themselves are read when
    they are asked for. Topics that are not serialised as ROS 2 does (JSON, protobuf) are left out.

    Args:
        path: Folder of a rosbag2, or one ``.mcap`` or ``.db3`` file (also ``.zstd``). A folder
            without metadata.yaml, as a killed recorder leaves it, is read as far as it goes. Of a
            later part that is read alone, latched topics are read from the first, if it is there.

    Attributes:
        path: As given.
        foreign: Topics that are left out -> how they are serialised.
        clock_offsets: Topic -> nanoseconds that are added to its stamps where they make an order;
            ``feeding`` takes them from the rig.

    Raises:
        InputError: The path is no bag that can be read. A file that was cut short is refused and
            not read as far as it goes: half a drive would pass for a whole one.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.clock_offsets: dict[str, int] = {}
        self._stack = ExitStack()
        with ExitStack() as opening:
            opening.callback(self.close)
            files = bag_files(self.path)
            self._parts = [self._opened(file, files.unfinished) for file in files.paths]
            self.foreign = {
                topic.name: topic.encoding for topic in self._stored if topic.encoding != CDR
            }
            self._rows = np.concatenate(
                [index_rows(n, part) for n, part in enumerate(self._parts)]
            )
            self._latched = self._borrowed() if self.path.is_file() else self._rows[:0]
            self._check_foreign()
            self._check_metadata(files)
            opening.pop_all()

    def __enter__(self) -> "BagReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._stack.close()

    @cached_property
    def topics(self) -> dict[str, BagTopic]:
        """The topics by name, sorted; of one with several types that with most messages."""
        counts, types = self._by_topic.counts, self._types
        return {
            each.name: BagTopic(
                each.name, types[each.name], counts[each.name, types[each.name]], each.qos
            )
            for each in sorted(self._stored, key=lambda each: each.name)
            if each.encoding == CDR and full_name(each.msgtype) == types[each.name]
        }

    @property
    def message_count(self) -> int:
        """Number of messages on all topics."""
        return len(self._rows)

    @property
    def start_time(self) -> int:
        """Log time of the first message, nanoseconds; 0 for an empty bag."""
        return int(self._rows["log_time"].min(initial=2**63 - 1)) if len(self._rows) else 0

    @property
    def end_time(self) -> int:
        """Log time of the last message, nanoseconds; 0 for an empty bag."""
        return int(self._rows["log_time"].max(initial=0))

    @cached_property
    def typestore(self) -> Typestore:
        """The message types, those recorded in the bag before our own."""
        return bag_typestore((full_name(each.msgtype), each.definition) for each in self._stored)

    def messages(self, topics: Collection[str] | None = None) -> Iterator[BagMessage]:
        """Iterate over messages in the order in which a stream wants them.

        That of their header stamps, however they lie in the bag, and whatever clock they were
        logged by; latched and slow topics come first. See :mod:`effocc_ros.bags.order`.

        Args:
            topics: Only these; None for all.

        Raises:
            InputError: A topic is not in the bag, or its bytes are damaged.
        """
        rows = self._chosen(topics, latched=True)
        self._tell_other_types()
        order, *times = order_of_use(rows, self._named, self._message, self.clock_offsets)
        return self._read(rows[order], *times)

    def recorded(
        self,
        topics: Collection[str] | None = None,
        start: int | None = None,
        stop: int | None = None,
    ) -> Iterator[BagMessage]:
        """Iterate over messages in the order of their log time, as they were recorded.

        Args:
            topics: Only these; None for all.
            start: Only messages at or after this log time, nanoseconds.
            stop: Only messages before this log time.

        Raises:
            InputError: A topic is not in the bag, or its bytes are damaged.
        """
        rows = self._chosen(topics, latched=False)
        if start is not None:
            rows = rows[rows["log_time"] >= start]
        if stop is not None:
            rows = rows[rows["log_time"] < stop]
        rows = rows[np.argsort(rows["log_time"], kind="stable")]
        return self._read(rows, rows["log_time"], rows["log_time"])

    def decode(self, message: BagMessage) -> Any:
        """Return the message with its fields; see ``BagMessage.decode``."""
        # Bags exist whose recorded definition does not fit their own messages: then ours may.
        stores = dict.fromkeys((self.typestore, base_typestore()))
        where = f"{message.topic} in bag {self.path}"
        return decode(message.raw, message.msgtype, stores, where, message.log_time)

    @property
    def _stored(self) -> list[StoredTopic]:
        return [topic for part in self._parts for topic in part.topics.values()]

    def _opened(self, file: Path, unfinished: bool) -> Storage:
        part = open_part(self.path, file, unfinished=unfinished)
        self._stack.callback(part.close)
        return part

    def _borrowed(self) -> NDArray:
        """Return the rows of latched topics that a later part of a recording lacks."""
        (file,) = self._parts
        own = {file.topics[id_].name for id_ in np.unique(self._rows["topic"]).tolist()}
        part = latched_part(self.path, own)
        if part is None:
            return self._rows[:0]
        self._stack.callback(part.close)
        self._parts.append(part)
        return index_rows(len(self._parts) - 1, part)

    @cached_property
    def _by_topic(self) -> TopicRows:
        return TopicRows(np.concatenate([self._rows, self._latched]), self._named)

    @cached_property
    def _types(self) -> dict[str, str]:
        """Topic -> type."""
        stored = [each for each in self._stored if each.encoding == CDR]
        return self._by_topic.usual((each.name, full_name(each.msgtype)) for each in stored)

    def _chosen(self, topics: Collection[str] | None, latched: bool) -> NDArray:
        """Return the rows of topics, with or without those borrowed from another part."""
        unknown = sorted(set(topics or ()) - set(self.topics))
        if unknown:
            raise InputError(
                f"bag {self.path}",
                found=f"no topic {', '.join(unknown)}",
                expected=f"topics out of: {', '.join(self.topics) or '(it has none)'}",
                reason="no_such_topic",
            )
        stop = len(self._rows) + (len(self._latched) if latched else 0)
        return self._by_topic.of(self.topics if topics is None else topics, self._types, stop)

    def _tell_other_types(self) -> None:
        for (name, msgtype), count in self._by_topic.others(self._types).items():
            logger.warning(
                "%s in bag %s: found messages of %s (%d) beside those of %s (%d); only the latter "
                "are used",
                *(name, self.path, msgtype, count),
                *(self.topics[name].msgtype, self.topics[name].count),
            )

    def _named(self, part: int, topic: int) -> tuple[str, str]:
        """Return name and type of a topic of a part."""
        stored = self._parts[part].topics[topic]
        return stored.name, full_name(stored.msgtype)

    def _read(self, rows: NDArray, *times: NDArray) -> Iterator[BagMessage]:
        for start in range(0, len(rows), 1000):
            some = slice(start, start + 1000)
            columns = (each[some].tolist() for each in (rows, *times))
            for row, moment, arrival in zip(*columns, strict=True):
                yield self._message(row, moment=moment, arrival=arrival)

    def _message(
        self, row: tuple[int, ...], most: int | None = None, moment: int = 0, arrival: int = 0
    ) -> BagMessage:
        """Read the message of a row, or the beginning of it."""
        part, entry = self._parts[row[0]], Entry(*row[1:])
        try:
            raw = part.read(entry, most)
            # A CDR message begins with 0: these four bytes are message-mode compression, which a
            # single part of a bag does not announce.
            if raw[:4] == ZSTD_MAGIC:
                raw = unpack_message(raw if most is None else part.read(entry))
        except Exception as error:  # sqlite3 raises whatever the bytes lead it to
            raise damaged(self.path, part.name, error) from error
        name, msgtype = self._named(row[0], entry.topic)
        return BagMessage(name, msgtype, entry.log_time, raw, moment, arrival, self)

    def _check_foreign(self) -> None:
        """Refuse a bag in which nothing is serialised as ROS 2 does."""
        stored = self._stored
        kinds = {kind for part in self._parts for kind in getattr(part, "schema_kinds", ())}
        if not any(topic.encoding == CDR for topic in stored) and (stored or kinds):
            raise foreign_bag(self.path, self.foreign, kinds)

    def _check_metadata(self, files: BagFiles) -> None:
        count = len(self._rows)
        if files.unfinished and not count and not self.foreign:
            raise without_messages(self.path, [file.name for file in files.paths])
        if files.unfinished:
            logger.warning(
                "bag %s has no whole metadata.yaml, as a killed recorder leaves it: read as far "
                "as it goes, %d messages in %d files",
                *(self.path, count, len(files.paths)),
            )
        elif not self.foreign and count < (files.messages or 0):
            logger.warning(
                "bag %s holds %d messages, its metadata.yaml counts %d: the recorder lost some",
                *(self.path, count, files.messages),
            )
