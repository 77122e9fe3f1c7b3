# SPDX-License-Identifier: Apache-2.0
"""Read rosbag2's sqlite3 files."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import numpy as np
from rosbags.rosbag2 import Reader

from effocc_ros.bags.storage import INDEX, BrokenStorage, Entry, StoredTopic


class SqliteFile:
    """An open sqlite3 file; see :class:`~effocc_ros.bags.storage.Storage`.

    Args:
        path: The file; its name ends in ``.db3``.
        name: Its name, for errors.

    Raises:
        Exception: Whatever rosbags or sqlite3 raise where it is damaged.
    """

    def __init__(self, path: Path, name: str):
        self.name = name
        with Reader(path) as reader:
            self.topics = {
                each.id: StoredTopic(
                    id=each.id,
                    name=each.topic,
                    msgtype=each.msgtype,
                    encoding=each.ext.serialization_format,
                    definition=each.msgdef,
                    qos=tuple(each.ext.offered_qos_profiles),
                )
                for each in reader.connections
            }
            counted = reader.message_count
        self._database = sqlite3.connect(f"file:{quote(str(path))}?immutable=1", uri=True)
        rows = self._database.execute("SELECT topic_id, timestamp, 0, id FROM messages")
        self.index = np.fromiter(rows, INDEX)
        if len(self.index) < counted:
            raise BrokenStorage(f"{len(self.index)} of {counted} messages")

    def read(self, entry: Entry, most: int | None = None) -> bytes:
        """Return the bytes of a message, or its first ``most``."""
        what = "data" if most is None else f"substr(data, 1, {most})"
        query = f"SELECT {what} FROM messages WHERE id = ?"
        (data,) = self._database.execute(query, (entry.at,)).fetchone()
        if not isinstance(data, bytes):
            raise BrokenStorage(f"message {entry.at} of type {type(data).__name__}")
        return data

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def with_journal(path: Path, folder: Path) -> Path:
    """Return a copy of a database into which its write-ahead log is merged.

    A recorder that was killed leaves its newest messages in that log, which a reader that may not
    write beside the bag would not see.

    Args:
        path: The file, with a log beside it.
        folder: Where the copy goes.
    """
    copy = folder / path.name
    shutil.copyfile(path, copy)
    shutil.copyfile(journal_of(path), journal_of(copy))
    with closing(sqlite3.connect(copy)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA journal_mode=DELETE")
    return copy


def journal_of(path: Path) -> Path:
    """Return where the write-ahead log of a database is, if it has one."""
    return path.with_name(f"{path.name}-wal")
