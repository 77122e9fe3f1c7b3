# SPDX-License-Identifier: Apache-2.0
"""Which samples of a split are there: a part of a download is scored for what it has."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from effocc_ros.datasets.files import UNREADABLE, is_there
from effocc_ros.datasets.sample import Sample
from effocc_ros.errors import InputError
from effocc_ros.evaluation.reading import evenly, read_samples

logger = logging.getLogger(__name__)


class HasFiles(Protocol):
    """A data set that can name a sample's files."""

    def __len__(self) -> int: ...

    def files_of(self, index: int) -> Sequence[Path]:
        """Return the files that a sample cannot be read without."""


class LeftOut:
    """Samples that are not scored, and why.

    Args:
        total: Samples of the split.
    """

    def __init__(self, total: int):
        self.total = total
        self.absent: list[Path] = []
        self.broken: list[InputError] = []

    def take(self, error: InputError) -> None:
        """Note a sample that cannot be read.

        Raises:
            InputError: The error, where it is of another kind.
        """
        if error.reason not in UNREADABLE:
            raise error
        self.broken.append(error)

    def __str__(self) -> str:
        """Say how many are left out; nothing where none is."""
        lines = []
        if self.absent:
            lines.append(
                f"left out: {len(self.absent)} of {self.total} samples without all of their "
                f"files, for example {self.absent[0]}; `effocc dataset check` lists them all"
            )
        if self.broken:
            lines.append(f"left out: {len(self.broken)} that cannot be read: {self.broken[0]}")
        return "\n".join(lines)


def present(dataset: HasFiles, count: int | None, left_out: LeftOut) -> list[int]:
    """Choose positions whose files are there, evenly spaced among those.

    Args:
        dataset: The split.
        count: How many; None for all.
        left_out: Takes what is not there.

    Raises:
        InputError: No sample is complete; names a file.
    """
    wanted = evenly(len(dataset), count)
    if count is not None and not any(_absent(dataset, position) for position in wanted):
        return wanted
    there = []
    for position in range(len(dataset)):
        absent = _absent(dataset, position)
        if absent is None:
            there.append(position)
        else:
            left_out.absent.append(absent)
    if not there:
        raise InputError(
            f"file {left_out.absent[0]}",
            found="No such file or directory",
            expected=f"the files of at least one of {len(dataset)} samples",
            do="Unpack the archive that has it; `effocc dataset check` lists all that is missing",
            reason="missing_file",
        )
    return [there[place] for place in evenly(len(there), count)]


def read_present(dataset: HasFiles, what: str, count: int | None = None) -> Iterator[Sample]:
    """Yield the samples that are there, under a progress bar; say how many are not.

    Args:
        dataset: The split.
        what: Who reads, for the bar.
        count: How many samples, evenly spaced; None for all.

    Raises:
        InputError: No sample is complete, or none can be read.
    """
    left_out = LeftOut(len(dataset))
    positions = present(dataset, count, left_out)
    samples = read_samples(dataset, positions, on_error=left_out.take)
    yield from tqdm(samples, total=len(positions), unit="frame", desc=what)
    if len(left_out.broken) == len(positions):
        raise left_out.broken[0]
    if str(left_out):
        logger.warning("%s", left_out)


def _absent(dataset: HasFiles, position: int) -> Path | None:
    return next((file for file in dataset.files_of(position) if not is_there(file)), None)
