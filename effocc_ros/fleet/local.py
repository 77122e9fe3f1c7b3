# SPDX-License-Identifier: Apache-2.0
"""Workers that are processes of this machine."""

import signal
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from effocc_ros.fleet.schedule import Died, Done, Event, Ready
from effocc_ros.fleet.serving import Handle, Prepare, Reply, reply, use_threads, worker_name
from effocc_ros.worker_processes import settle

PATIENCE = 5.0
"""Seconds that a process has to end before it is killed."""


@dataclass
class _Seat:
    """A place for a worker: when its process dies, the next one sits down."""

    process: BaseProcess
    pipe: Connection
    name: str = ""


class LocalWorkers:
    """Processes, each with a pipe of its own, so that one that is killed breaks no other's.

    A context manager: leaving the block ends them. They also end when this process is killed. A
    script that uses it must do so below ``if __name__ == "__main__":``.

    Args:
        count: How many.
        prepare: What each does first.
        threads: Threads of each one's network.
    """

    def __init__(self, count: int, prepare: Prepare, threads: int = 1):
        self._prepare, self._threads = prepare, threads
        self._context = get_context("spawn")
        self._seats: list[_Seat] = []
        self._count = count

    def __enter__(self) -> "LocalWorkers":
        self._seats = [self._seat(number) for number in range(self._count)]
        return self

    def __exit__(self, *_: object) -> None:
        for seat in self._seats:
            seat.process.terminate()
        for seat in self._seats:
            _end(seat)

    def give(self, worker: str, task: Any) -> None:
        """Send a task to a worker that has none."""
        seat = next(seat for seat in self._seats if seat.name == worker)
        with suppress(OSError):  # it has just died, and `events` will say so
            seat.pipe.send(task)

    def events(self) -> list[Event]:
        """Wait until something happens, and say what.

        Raises:
            InputError: Of a worker's own.
        """
        ready = set(wait([seat.pipe for seat in self._seats]))
        numbers = [number for number, seat in enumerate(self._seats) if seat.pipe in ready]
        return [self._event(number) for number in numbers]

    def _event(self, number: int) -> Event:
        seat = self._seats[number]
        try:
            answer: Reply = seat.pipe.recv()
        except (EOFError, OSError):  # also in the middle of what it was sending
            _end(seat)
            self._seats[number] = self._seat(number)
            return Died(seat.name, _why(seat.process.exitcode))
        value = answer.taken()
        if not seat.name:
            seat.name = value
            return Ready(value)
        return Done(seat.name, value)

    def _seat(self, number: int) -> _Seat:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs, self._prepare, number, self._threads), daemon=True
        )
        process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        return _Seat(process, ours)


def _serve(pipe: Connection, prepare: Prepare, number: int, threads: int) -> None:
    settle()
    handle: list[Handle] = []

    def begin() -> str:
        use_threads(threads)
        handle.append(prepare(number))
        return worker_name()

    pipe.send(reply(begin))
    while handle:
        try:
            task = pipe.recv()
        except EOFError:
            return
        pipe.send(reply(handle[0], task))


def _end(seat: _Seat) -> None:
    seat.pipe.close()
    seat.process.join(PATIENCE)
    if seat.process.is_alive():
        seat.process.kill()
        seat.process.join()


def _why(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = ", as the system does when memory is short" if name == "SIGKILL" else ""
        return f"killed by {name}{hint}"
    return f"exit code {code}"
