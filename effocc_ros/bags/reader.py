"""Read any rosbag2: sqlite3 or MCAP, one file or many, zstd by message, by file or by chunk."""

import heapq
import shutil
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rosbags.interfaces import Connection, Qos, QosDurability
from rosbags.rosbag2 import Reader
from rosbags.typesys.store import Typestore

from effocc_ros.bags.folder import storage_files
from effocc_ros.bags.storage_files import ZSTD_MAGIC, identify
from effocc_ros.bags.typestore import bag_typestore, base_typestore, full_name
from effocc_ros.errors import InputError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


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
    """

    topic: str
    msgtype: str
    log_time: int
    raw: bytes = field(repr=False)
    _bag: "BagReader" = field(repr=False, compare=False)

    def decode(self) -> Any:
        """Return the message with its fields; arrays are read-only views of ``raw``.

        Raises:
            InputError: The bytes are not a message of this type, or the type is unknown.
        """
        return self._bag.decode(self)


class BagReader:
    """An open bag, a context manager.

    Args:
        path: Folder of a rosbag2, or one ``.mcap`` or ``.db3`` file (also ``.zstd``).

    Raises:
        InputError: The path is no bag that can be read. A file that was cut short is refused and
            not read as far as it goes: half a drive would pass for a whole one.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self._stack = ExitStack()
        with ExitStack() as opening:
            opening.callback(self.close)
            self._parts = [self._opened(file) for file in storage_files(self.path)]
            self._check_serialization()
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
        """The topics by name, sorted."""
        topics: dict[str, BagTopic] = {}
        for connection in sorted(self._connections, key=lambda each: each.topic):
            name = connection.topic
            count = connection.msgcount + (topics[name].count if name in topics else 0)
            qos = tuple(connection.ext.offered_qos_profiles)
            topics[name] = BagTopic(name, full_name(connection.msgtype), count, qos)
        return topics

    @property
    def message_count(self) -> int:
        """Number of messages on all topics."""
        return sum(part.message_count for part in self._parts)

    @property
    def start_time(self) -> int:
        """Log time of the first message, nanoseconds; 0 for an empty bag."""
        return min((part.start_time for part in self._parts if part.message_count), default=0)

    @property
    def end_time(self) -> int:
        """Log time of the last message, nanoseconds; 0 for an empty bag."""
        return max((part.end_time - 1 for part in self._parts if part.message_count), default=0)

    @cached_property
    def typestore(self) -> Typestore:
        """The message types, those recorded in the bag before our own."""
        return bag_typestore(
            (full_name(connection.msgtype), connection.msgdef) for connection in self._connections
        )

    def messages(
        self,
        topics: Collection[str] | None = None,
        start: int | None = None,
        stop: int | None = None,
    ) -> Iterator[BagMessage]:
        """Iterate over messages in the order of their log time.

        Args:
            topics: Only these; None for all.
            start: Only messages at or after this log time, nanoseconds.
            stop: Only messages before this log time.

        Raises:
            InputError: A topic is not in the bag, or its bytes are damaged.
        """
        unknown = sorted(set(topics or ()) - set(self.topics))
        if unknown:
            raise InputError(
                f"bag {self.path}",
                found=f"no topic {', '.join(unknown)}",
                expected=f"topics out of: {', '.join(self.topics) or '(it has none)'}",
                reason="no_such_topic",
            )
        return self._messages(topics, start, stop)

    def decode(self, message: BagMessage) -> Any:
        """Return the message with its fields; see ``BagMessage.decode``."""
        failures: list[Exception] = []
        # Bags exist whose recorded definition does not fit their own messages: then ours may.
        for store in dict.fromkeys((self.typestore, base_typestore())):
            if message.msgtype not in store.fielddefs:
                continue
            try:
                # A view, because slicing bytes would copy the whole message.
                return store.deserialize_cdr(memoryview(message.raw), message.msgtype)
            except Exception as error:  # rosbags raises whatever the bytes lead it to
                failures.append(error)
        raise self._undecodable(message, failures)

    @property
    def _connections(self) -> list[Connection]:
        return [connection for part in self._parts for connection in part.connections]

    def _opened(self, file: Path) -> Reader:
        if identify(file) == "zstd":
            file = self._decompressed(file)
        try:
            # rosbags goes by the suffix; files of some tools have none that it knows.
            reader = Reader(self._named(file, identify(file)))
            reader.open()
        except Exception as error:  # rosbags raises whatever the bytes lead it to
            raise self._damaged(file, error) from error
        self._stack.callback(reader.close)
        return reader

    def _named(self, file: Path, storage: str) -> Path:
        suffix = {"mcap": ".mcap", "sqlite3": ".db3"}[storage]
        if file.suffix == suffix:
            return file
        link = Path(self._stack.enter_context(TemporaryDirectory(prefix="effocc-"))) / "bag"
        link = link.with_suffix(suffix)
        link.symlink_to(file.absolute())
        return link

    def _decompressed(self, file: Path) -> Path:
        folder = self._stack.enter_context(TemporaryDirectory(prefix="effocc-"))
        target = Path(folder) / file.stem
        try:
            with zstd.open(file, "rb") as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1024 * 1024)
        except (zstd.ZstdError, EOFError) as error:
            raise self._damaged(file, error) from error
        return target

    def _messages(
        self, topics: Collection[str] | None, start: int | None, stop: int | None
    ) -> Iterator[BagMessage]:
        sources = [self._part_messages(part, topics, start, stop) for part in self._parts]
        for connection, log_time, raw in heapq.merge(*sources, key=lambda each: each[1]):
            yield BagMessage(connection.topic, full_name(connection.msgtype), log_time, raw, self)

    def _part_messages(
        self, part: Reader, topics: Collection[str] | None, start: int | None, stop: int | None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        wanted = [each for each in part.connections if topics is None or each.topic in topics]
        if not wanted:
            return
        source = part.messages(wanted, start, stop)
        while True:
            try:
                item = next(source, None)
                if item is None:
                    return
                connection, log_time, raw = item
                # A CDR message begins with 0: these four bytes are message-mode compression,
                # which a single part of a bag does not announce.
                if raw[:4] == ZSTD_MAGIC:
                    raw = zstd.decompress(raw)
            except Exception as error:  # rosbags raises whatever the bytes lead it to
                raise self._damaged(part.path, error) from error
            yield connection, log_time, raw

    def _check_serialization(self) -> None:
        foreign = {
            each.ext.serialization_format: each.topic
            for each in self._connections
            if each.ext.serialization_format != "cdr"
        }
        for encoding, topic in foreign.items():
            raise InputError(
                f"{topic} in bag {self.path}",
                found=f"messages serialised as '{encoding}'",
                expected="cdr, as ROS 2 writes",
                do="Record the bag with ros2 bag record",
                reason="foreign_bag",
            )

    def _undecodable(self, message: BagMessage, failures: list[Exception]) -> InputError:
        where = f"{message.topic} in bag {self.path}"
        found = f"{len(message.raw)} bytes at {message.log_time} ns"
        if failures:
            return InputError(
                where,
                found=f"{found} that cannot be decoded ({failures[0]})",
                expected=f"a {message.msgtype}",
                reason="bad_message",
            )
        return InputError(
            where,
            found=f"{found} of type {message.msgtype}, which is not known here",
            expected="a type of ROS 2, or a bag that carries its definition",
            do="Record as MCAP: it carries the definitions",
            reason="unknown_type",
        )

    def _damaged(self, file: Path, error: Exception) -> InputError:
        said = " ".join(str(error).split()) or type(error).__name__
        return InputError(
            f"bag {self.path}",
            found=f"damage in {file.name} ({said})",
            expected="a rosbag2 storage file that reads to its end",
            do="Copy it again; an MCAP file may be saved with mcap recover, a .db3 file with "
            "sqlite3's .recover",
            reason="damaged_bag",
        )
