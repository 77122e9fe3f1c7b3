# SPDX-License-Identifier: Apache-2.0
"""Threads for work in pieces so small that torch's own threads are of no use."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")
_mine = threading.local()


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let torch's CPU operations inside the block run on the calling thread alone.

    To wake other threads for each of many small operations takes longer than the operation, and
    much longer when something else keeps the cores busy. The threads that torch may use
    (``torch.set_num_threads``) help :func:`share_out` and :func:`jobs` instead, each with one
    operation.
    """
    count, before = torch.get_num_threads(), getattr(_mine, "helpers", (None, 0))
    torch.set_num_threads(1)
    # Threads end with the block: none is left for a process that is forked later to miss.
    pool = ThreadPoolExecutor(max(count - 1, 1), initializer=_start)
    _mine.helpers = pool, count - 1
    try:
        yield
    finally:
        _mine.helpers = before
        pool.shutdown()
        torch.set_num_threads(count)


def share_out(work: Callable[[Iterator[T]], None], items: Sequence[T]) -> None:
    """Let this thread and its helpers, inside of :func:`one_thread_each`, work through items.

    Args:
        work: Called once in every thread, without gradients; takes items while there are any.
        items: What is to be done, in any order.
    """
    pool, helpers = getattr(_mine, "helpers", (None, 0))
    todo = iter(list(items))  # Each item that such an iterator gives goes to one thread only.
    inference = torch.is_inference_mode_enabled()
    helping = [pool.submit(_help, work, todo, inference) for _ in range(helpers)]
    with torch.no_grad():
        work(todo)
    for one in helping:
        one.result()


@contextmanager
def jobs() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Let helpers do jobs while this thread finds more of them, inside of :func:`one_thread_each`.

    Gives a function that takes a job. When the block ends all are done; this thread does those
    not yet begun. After an error none is begun any more.
    """
    pool, helpers = getattr(_mine, "helpers", (None, 0))
    inference = torch.is_inference_mode_enabled()
    given: list[tuple[Callable[[], None], Future | None]] = []

    def give(job: Callable[[], None]) -> None:
        given.append((job, pool.submit(_do, job, inference) if helpers else None))

    try:
        yield give
        with torch.no_grad():
            for job, helped in given:
                if helped is None or helped.cancel():
                    job()
        for _, helped in given:
            if helped is not None and not helped.cancelled():
                helped.result()
    finally:
        for _, helped in given:
            if helped is not None:
                helped.cancel()


def _start() -> None:
    torch.set_num_threads(1)


def _help(work: Callable[[Iterator[T]], None], todo: Iterator[T], inference: bool) -> None:
    _do(lambda: work(todo), inference)


def _do(job: Callable[[], None], inference: bool) -> None:
    with torch.inference_mode(inference), torch.no_grad():
        job()
