"""Several processes that do not get in each other's way."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import cv2
from threadpoolctl import threadpool_limits


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_pool(count: int, prepare: Callable[[], None] | None = None) -> ProcessPoolExecutor:
    """Start processes of one thread each.

    Threads of their own, of BLAS above all, would make processes on every core a third slower.

    Args:
        count: Number of processes.
        prepare: Called once in each of them before its work; must be picklable.
    """
    return ProcessPoolExecutor(count, get_context("spawn"), _start, (prepare,))


def _start(prepare: Callable[[], None] | None) -> None:
    cv2.setNumThreads(1)
    threadpool_limits(1)
    if prepare is not None:
        prepare()
