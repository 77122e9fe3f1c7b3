# SPDX-License-Identifier: Apache-2.0
"""Reads many changed files in child processes, and says how each ended."""

import logging
import multiprocessing
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from fuzz.targets import TARGETS, Target

from effocc_ros.checkpoints import state_shapes
from effocc_ros.errors import InputError
from effocc_ros.presets import load_preset, preset_names

SECONDS = 10.0
"""Of CPU time; a file that takes longer hangs."""
WALL_SECONDS = 120.0
"""A child that waits so long without work hangs, too."""
SLACK_MIB = 64.0
"""Memory beyond twice that of a good file, for what allocators keep."""
ADDRESS_SPACE = 8 << 30
"""More than that in a child ends in a MemoryError, so that the machine lives on."""
LONGEST_MESSAGE = 5000


@dataclass(frozen=True)
class Outcome:
    """How reading a file ended.

    Attributes:
        seed: What it was made with; -1 is the good one.
        ending: ``read``, ``refused``, or what is wrong: ``traceback``, ``hang``, ``partial``
            (output beside a refusal), ``memory``, ``endless message``, ``died``.
        text: The message or the traceback.
        seconds: CPU time.
        mib: Memory that it took at most, beyond what the process had.
    """

    seed: int
    ending: str
    text: str
    seconds: float
    mib: float

    @property
    def bad(self) -> bool:
        """Whether no file may end so."""
        return self.ending not in ("read", "refused")


def fuzz(kind: str, seeds: range, seconds: float) -> Iterator[Outcome]:
    """Read one good and many changed files of a kind, as many as the time allows.

    What all children need once, such as the shapes of all presets, is made before them, and the
    time counts from when the good file was read: each kind has as much.

    Args:
        kind: One of :data:`TARGETS`.
        seeds: What to make them with.
        seconds: When to stop.

    Yields:
        Outcomes; the good file's first.
    """
    for name in preset_names():
        state_shapes(load_preset(name))
    with tempfile.TemporaryDirectory(prefix="effocc-fuzz-") as place:
        (good,) = _child(kind, [-1], Path(place), float("inf"))
        yield good
        most, waiting = 2 * good.mib + SLACK_MIB, [*seeds]
        stop = time.monotonic() + seconds
        while waiting and time.monotonic() < stop:
            for outcome in _child(kind, waiting, Path(place), stop):
                waiting.remove(outcome.seed)
                if outcome.mib > most and not outcome.bad:
                    outcome = Outcome(
                        outcome.seed, "memory", outcome.text, outcome.seconds, outcome.mib
                    )
                yield outcome


def _child(kind: str, seeds: list[int], place: Path, stop: float) -> Iterator[Outcome]:
    """Read files in one child until it is done, hangs or dies."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(kind, seeds, place, theirs, stop), daemon=True)
    process.start()
    theirs.close()
    current, began, used = seeds[0], time.monotonic(), 0.0
    try:
        while True:
            if ours.poll(0.5):
                message = ours.recv()
                if isinstance(message, int):
                    current, began, used = message, time.monotonic(), _cpu_seconds(process.pid)
                    continue
                yield message
                continue
            spent = _cpu_seconds(process.pid) - used
            if spent > SECONDS or time.monotonic() - began > WALL_SECONDS:
                yield Outcome(current, "hang", "", spent, 0.0)
                return
    except EOFError:
        process.join(10)
        if process.exitcode:
            yield Outcome(current, "died", f"exit code {process.exitcode}", 0.0, 0.0)
    finally:
        process.kill()
        process.join()


def _work(kind: str, seeds: list[int], place: Path, pipe: Connection, stop: float) -> None:
    """Read files, and send the seed of each before and its outcome after."""
    logging.disable(logging.CRITICAL)
    with open(os.devnull, "w") as silence:
        os.dup2(silence.fileno(), 1)
        os.dup2(silence.fileno(), 2)
    target, good = TARGETS[kind], place / "good"
    if not good.exists():
        good.mkdir()
        target.make(good)
    target.read(good, _empty(place / "out"))  # what is loaded once is not counted
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + ADDRESS_SPACE,) * 2)
    for seed in seeds:
        if seed >= 0 and time.monotonic() > stop:
            break
        pipe.send(seed)
        pipe.send(_outcome(target, kind, seed, place))
    pipe.close()


def _outcome(target: Target, kind: str, seed: int, place: Path) -> Outcome:
    changed, out = place / "changed", _empty(place / "out")
    shutil.rmtree(changed, ignore_errors=True)
    shutil.copytree(place / "good", changed)
    ending, text = "read", ""
    before, began = 0, time.process_time()
    try:
        if seed >= 0:
            target.change(changed, random.Random(f"{kind} {seed}"))
        Path("/proc/self/clear_refs").write_text("5")  # the peak of memory counts from here
        before, began = _status("VmRSS"), time.process_time()
        target.read(changed, out)
    except InputError as error:
        ending, text = "refused", str(error)
        if any(path.is_file() for path in out.rglob("*")):
            ending = "partial"
        elif len(text) > LONGEST_MESSAGE or not text.replace("\n", " ").isprintable():
            ending = "endless message"
    except BaseException:
        ending, text = "traceback", traceback.format_exc()
    seconds = time.process_time() - began
    return Outcome(seed, ending, text, seconds, (_status("VmHWM") - before) / 2**20)


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _status(name: str) -> int:
    """Return bytes that the system counts for this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if sys.platform != "linux":
    raise ImportError("fuzzing measures memory as Linux tells it")
