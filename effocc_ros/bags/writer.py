# SPDX-License-Identifier: Apache-2.0
"""Write a rosbag2 (MCAP) that appears whole or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection, Qos
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys.store import Typestore

from effocc_ros.bags.qos import default_qos
from effocc_ros.bags.typestore import base_typestore
from effocc_ros.errors import InputError
from effocc_ros.files import partial_folder, unwritable

METADATA_VERSION = 8
"""The newest that Humble reads too: version 9 writes QoS in a form that it refuses."""


class BagWriter:
    """A bag being written, a context manager.

    The bag grows in a hidden folder beside ``path`` and takes its name when the block ends well;
    an exception leaves nothing behind, and what a killed process leaves the next one removes.

    Args:
        path: The rosbag2 folder that shall appear.
        overwrite: Replace a bag that is there already (a bag, never another folder).

    Raises:
        InputError: Something is at ``path`` that may not be replaced, or the path cannot be one
            of a folder. Later: the disk is full.
    """

    def __init__(self, path: Path | str, *, overwrite: bool = False):
        self.path = Path(path)
        self._restore()
        self._overwrite = overwrite
        self._check_target()
        self._workplace: Path | None = None
        self._stack = ExitStack()
        self._writer: Writer | None = None
        self._connections: dict[str, Connection] = {}
        self._counts: dict[str, int] = {}

    def __enter__(self) -> "BagWriter":
        path = self.path.absolute()
        with ExitStack() as opening, self._named():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._workplace = opening.enter_context(partial_folder(path))
            self._writer = Writer(
                self.folder,
                version=METADATA_VERSION,
                storage_plugin=StoragePlugin.MCAP,
            )
            # Grids shrink to a hundredth, clouds by a third; JPEG stays, at 3 ms a megabyte.
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            self._writer.open()
            self._stack = opening.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._stack:
            if kind is None:
                with self._named():
                    self._writer.close()
                self._publish(self.folder)
            else:
                with suppress(OSError):  # of a disk that was full before
                    self._writer.abort()

    @property
    def counts(self) -> dict[str, int]:
        """Number of messages written so far on each topic, sorted by name."""
        return dict(sorted(self._counts.items()))

    @property
    def folder(self) -> Path:
        """Where the bag grows: files put beside it here appear together with it."""
        return self._workplace / self.path.name

    def add_topic(
        self,
        topic: str,
        msgtype: str,
        *,
        qos: Sequence[Qos] = (),
        typestore: Typestore | None = None,
    ) -> None:
        """Announce a topic; needed only for a QoS or types of its own.

        Args:
            topic: Its name.
            msgtype: For example ``sensor_msgs/msg/Image``.
            qos: Profiles to record; ``default_qos(topic)`` when empty.
            typestore: Where the type is defined; our own store when None.

        Raises:
            InputError: The type is not defined there, or the topic has another type already.
        """
        known = self._connections.get(topic)
        if known is not None:
            if known.msgtype != msgtype:
                raise InputError(
                    f"topic {topic} of bag {self.path}",
                    found=f"a message of type {msgtype}",
                    expected=f"{known.msgtype} as before",
                    reason="mixed_types",
                )
            return
        typestore = base_typestore() if typestore is None else typestore
        if msgtype not in typestore.fielddefs:
            raise InputError(
                f"topic {topic} of bag {self.path}",
                found=f"type {msgtype}, whose definition is not known",
                expected="a type of ROS 2, or a source that carries its definition",
                reason="unknown_type",
            )
        with self._named():
            self._connections[topic] = self._writer.add_connection(
                topic,
                msgtype,
                typestore=typestore,
                offered_qos_profiles=tuple(qos) or default_qos(topic),
            )
        self._counts[topic] = 0

    def write(self, topic: str, message: Any, log_time: int) -> None:
        """Write a rosbags message at ``log_time`` nanoseconds."""
        msgtype = message.__msgtype__
        self.write_raw(topic, msgtype, base_typestore().serialize_cdr(message, msgtype), log_time)

    def write_raw(self, topic: str, msgtype: str, raw: bytes | memoryview, log_time: int) -> None:
        """Write a message that is serialised already (CDR with its 4-byte header)."""
        if topic not in self._connections or self._connections[topic].msgtype != msgtype:
            self.add_topic(topic, msgtype)
        with self._named():
            self._writer.write(self._connections[topic], log_time, raw)
        self._counts[topic] += 1

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unwritable(f"output bag {self.path}", error) from error

    def _check_target(self) -> None:
        if self.path.suffix in (".mcap", ".db3", ".bag", ".zstd"):
            raise InputError(
                f"output bag {self.path}",
                found=f"a name that ends in {self.path.suffix}",
                expected="the name of a folder: a rosbag2 is a folder with metadata.yaml",
                do=f"Say {self.path.with_suffix('')}",
                reason="bad_output",
            )
        if not self.path.exists():
            return
        is_bag = (self.path / "metadata.yaml").is_file()
        if not (self._overwrite and is_bag):
            raise InputError(
                f"output bag {self.path}",
                found="a bag there already" if is_bag else "something there that is no bag",
                expected="a name that is free",
                do="Choose another name" + (", or ask to overwrite it" if is_bag else ""),
                reason="output_exists",
            )

    def _publish(self, finished: Path) -> None:
        with self._named():
            _keep(finished)
        if not self._overwrite or not self.path.exists():
            self._check_target()  # again: another process may have been faster
            try:
                finished.rename(self.path)
            except OSError:
                self._check_target()
                raise
            return
        # Aside first: a folder cannot be renamed onto one that has files in it. And not yet into
        # the workplace, which is removed whatever happens.
        aside = self._aside
        self.path.rename(aside)
        try:
            finished.rename(self.path)
        except BaseException:
            aside.rename(self.path)
            raise
        aside.rename(self._workplace / "replaced")

    @property
    def _aside(self) -> Path:
        """Where a bag that is replaced is for the moment between two renames."""
        return self.path.absolute().with_name(f".replaced-{self.path.name}")

    def _restore(self) -> None:
        """Put back, or away, a bag that a writer was replacing when it was killed."""
        if self._aside.is_dir() and self.path.exists():
            shutil.rmtree(self._aside)
        elif self._aside.is_dir():
            self._aside.rename(self.path)


def _keep(folder: Path) -> None:
    """Bring the files of a folder to the disk: a name shall not outlive what it stands for."""
    for path in (*folder.iterdir(), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that cannot
                raise
        finally:
            os.close(handle)
