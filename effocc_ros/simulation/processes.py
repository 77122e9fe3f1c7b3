# SPDX-License-Identifier: Apache-2.0
"""Several processes that do not get in each other's way."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context

from effocc_ros.errors import InputError
from effocc_ros.worker_processes import settle


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def worker_pool(count: int, prepare: Callable[[], None] | None = None) -> Iterator[Executor]:
    """Start processes of one thread each; an exception in the block, as Ctrl-C is, ends them.

    They also end when this process is killed. A script that calls this must do so below
    ``if __name__ == "__main__":``.

    Args:
        count: Number of processes.
        prepare: Called once in each of them before its work; must be picklable.

    Raises:
        InputError: The system ended one of them.
    """
    others = set(active_children())
    pool = ProcessPoolExecutor(count, get_context("spawn"), _start, (prepare,))
    try:
        with _named_when_killed(count):
            yield pool
    except BaseException:
        for worker in set(active_children()) - others:
            worker.terminate()
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


@contextmanager
def _named_when_killed(count: int) -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise InputError(
            f"one of {count} processes",
            found="an end before its work was done",
            expected="none; where it says nothing above, the system ended it for want of memory",
            do="Use fewer processes: --workers",
            reason="worker_died",
        ) from error


def _start(prepare: Callable[[], None] | None) -> None:
    settle()
    if prepare is not None:
        prepare()
