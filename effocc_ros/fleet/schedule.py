# SPDX-License-Identifier: Apache-2.0
"""Who does what next: tasks go to workers, and those of workers that die go to others."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from effocc_ros.errors import InputError

TRIES = 3
"""Workers that may die of one task before it is given up."""

UNBORN = 3
"""Workers that may die in a row before they are ready, which no task can be blamed for."""


@dataclass(frozen=True)
class Ready:
    """A worker can take its first task."""

    worker: str


@dataclass(frozen=True)
class Done:
    """A worker has done its task and can take another."""

    worker: str
    result: Any


@dataclass(frozen=True)
class Died:
    """A worker has ended; another takes its place.

    Attributes:
        worker: Its name; empty where it was not ready yet.
        why: What is known of its end: ``signal 9``.
    """

    worker: str
    why: str


Event = Ready | Done | Died


class Workers(Protocol):
    """Processes, here or elsewhere, each with one task at a time at most."""

    def give(self, worker: str, task: Any) -> None:
        """Send a task to a worker that has none."""

    def events(self) -> Sequence[Event]:
        """Wait until something happens, and say what.

        Raises:
            InputError: A worker cannot begin, or nothing can happen any more.
        """


@dataclass(frozen=True)
class Outcome:
    """What came of a task.

    Attributes:
        task: The task.
        result: What the worker returned; None where it was given up.
        worker: Who had it last.
        tries: How many workers have had it.
        error: Why it was given up; empty where it was not.
    """

    task: Any
    result: Any
    worker: str
    tries: int
    error: str = ""


class Schedule:
    """Tasks that wait, are being done, or were lost with their workers.

    Args:
        tasks: What is to do, in this order.
        tries: How many workers may die of a task.
    """

    def __init__(self, tasks: Iterable[Any], tries: int = TRIES):
        self._waiting = deque((task, 0) for task in tasks)
        self._running: dict[str, tuple[Any, int]] = {}
        self._tries = tries

    @property
    def open(self) -> bool:
        """Whether anything is still to do or being done."""
        return bool(self._waiting or self._running)

    def assign(self, worker: str) -> Any | None:
        """Return the next task for an idle worker; None where none waits."""
        if not self._waiting:
            return None
        task, lost = self._waiting.popleft()
        self._running[worker] = (task, lost)
        return task

    def done(self, worker: str, result: Any) -> Outcome:
        """Take the result of a worker's task."""
        task, lost = self._running.pop(worker)
        return Outcome(task, result, worker, lost + 1)

    def died(self, worker: str, why: str) -> Outcome | None:
        """Let another worker do the task of one that died; return what is given up, if it is."""
        if worker not in self._running:
            return None
        task, lost = self._running.pop(worker)
        if lost + 1 < self._tries:
            # Behind the others, so that a task that kills its workers holds nobody up.
            self._waiting.append((task, lost + 1))
            return None
        times = "its worker" if self._tries == 1 else f"each of its {self._tries} workers"
        return Outcome(task, None, worker, lost + 1, f"{times} ended before it was done ({why})")


def work_through(
    tasks: Iterable[Any], workers: Workers, *, tries: int = TRIES
) -> Iterator[Outcome]:
    """Give tasks to workers, one at a time each, and yield what comes of them as it comes.

    Args:
        tasks: What is to do.
        workers: Who does it.
        tries: How many workers may die of a task before it is given up.

    Raises:
        InputError: Workers cannot begin.
    """
    schedule = Schedule(tasks, tries)
    idle: deque[str] = deque()
    unborn = 0
    while schedule.open:
        for event in workers.events():
            outcome = None
            if isinstance(event, Died):
                unborn = 0 if event.worker else unborn + 1
                if unborn == UNBORN:
                    raise _cannot_begin(event.why)
                if event.worker in idle:
                    idle.remove(event.worker)
                outcome = schedule.died(event.worker, event.why)
            else:
                unborn = 0
                idle.append(event.worker)
                if isinstance(event, Done):
                    outcome = schedule.done(event.worker, event.result)
            # New work before the outcome is looked at, which may take its time.
            _hand_out(schedule, workers, idle)
            if outcome is not None:
                yield outcome


def _hand_out(schedule: Schedule, workers: Workers, idle: deque[str]) -> None:
    while idle and (task := schedule.assign(idle[0])) is not None:
        workers.give(idle.popleft(), task)


def _cannot_begin(why: str) -> InputError:
    return InputError(
        "workers",
        found=f"{UNBORN} in a row that ended while they began ({why})",
        expected="processes that can load the network",
        do="Where nothing else is said, memory was short: use fewer processes, or a smaller model",
        reason="worker_died",
    )
