# SPDX-License-Identifier: Apache-2.0
"""Bags that differ, a damaged one among them, and the worker that is in the middle of one."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

from helpers.toy_drive import moment, static_poses

from effocc_ros.bags.reader import BagReader
from effocc_ros.bags.writer import BagWriter
from effocc_ros.files import PARTIAL


def make_bags(folder: Path, count: int, moments: int = 2) -> list[Path]:
    """Write short drives, each of other moments."""
    paths = [folder / f"drive_{number}" for number in range(count)]
    for number, path in enumerate(paths):
        sent = [static_poses()]
        for each in range(moments):
            sent += moment(number * moments + each)
        with BagWriter(path) as writer:
            for one in sent:
                writer.write(one.topic, one.message, one.log_time)
    return paths


def damage(bag: Path) -> None:
    """Cut a bag's file short."""
    (file,) = bag.glob("*.mcap")
    os.truncate(file, file.stat().st_size // 2)


def messages_of(bag: Path) -> list[tuple[str, int, bytes]]:
    """Return all messages of a bag to the byte, as they were recorded."""
    with BagReader(bag) as opened:
        return [
            (one.topic, one.log_time, bytes(one.raw)) for one in opened.recorded(opened.topics)
        ]


def writers_into(folder: Path) -> set[int]:
    """Return the processes that hold an unfinished bag in a folder, but this one."""
    found = set()
    for handle in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            target = Path(os.readlink(handle))
            if target.parent == folder and target.name.startswith(PARTIAL):
                found.add(int(handle.parts[2]))
    return found - {os.getpid()}


class Killer(threading.Thread):
    """Kills the first process that is seen to write a bag into a folder."""

    def __init__(self, folder: Path):
        super().__init__(daemon=True)
        self.folder, self.killed = folder.resolve(), 0

    def run(self):
        while not self.killed:
            writers = writers_into(self.folder) if any(self.folder.glob(f"{PARTIAL}*")) else ()
            for process in list(writers)[:1]:
                os.kill(process, signal.SIGKILL)
                self.killed = process
            time.sleep(0.02)
