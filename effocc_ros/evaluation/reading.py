# SPDX-License-Identifier: Apache-2.0
"""Samples read ahead by other processes."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from functools import partial

from torch.utils.data import Dataset

from effocc_ros.datasets.sample import Sample
from effocc_ros.errors import InputError

AHEAD = 6
"""Samples that are being read or wait to be used: tens of megabytes each."""

_dataset: Dataset[Sample] | None = None


def evenly(total: int, count: int | None) -> list[int]:
    """Choose ``count`` of ``total`` positions, evenly spaced; all of them when None.

    Each is the middle of its part: 1 of 10 is the position 5, not the first.
    """
    count = total if count is None else min(count, total)
    return [int((number + 0.5) * total / count) for number in range(count)]


def keep_dataset(dataset: Dataset[Sample]) -> None:
    """Keep the data set that this process reads from; prepares a process for the following."""
    global _dataset
    _dataset = dataset


def read_samples(
    dataset: Dataset[Sample],
    positions: Sequence[int],
    pool: Executor | None = None,
    on_error: Callable[[InputError], None] | None = None,
) -> Iterator[Sample]:
    """Yield samples in the order of their positions.

    Args:
        dataset: Where they are.
        positions: Which.
        pool: Processes that ``keep_dataset`` prepared, which read ahead; None reads here.
        on_error: Takes the error of a sample that cannot be read, which is left out then.

    Raises:
        InputError: A file is absent or broken; it is named. Not where ``on_error`` takes it.
    """
    for read in _reads(dataset, positions, pool):
        try:
            sample = read()
        except InputError as error:
            if on_error is None:
                raise
            on_error(error)
        else:
            yield sample


def _reads(
    dataset: Dataset[Sample], positions: Sequence[int], pool: Executor | None
) -> Iterator[Callable[[], Sample]]:
    """Yield for each position what reads its sample, or waits for the process that does."""
    if pool is None:
        yield from (partial(dataset.__getitem__, position) for position in positions)
        return
    pending = deque()
    for position in positions:
        pending.append(pool.submit(_read, position))
        if len(pending) >= AHEAD:
            yield pending.popleft().result
    while pending:
        yield pending.popleft().result


def _read(position: int) -> Sample:
    return _dataset[position]
