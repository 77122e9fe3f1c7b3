# SPDX-License-Identifier: Apache-2.0
"""One of several jobs that share work without knowing of each other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from effocc_ros.errors import InputError

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shard:
    """A part of the work: every ``count``-th item, from the ``number``-th on.

    Attributes:
        number: 1 to ``count``.
        count: How many parts there are.
    """

    number: int = 1
    count: int = 1

    def of(self, items: Sequence[Item]) -> list[Item]:
        """Return this part of items that are in the same order for all parts."""
        return list(items[self.number - 1 :: self.count])

    def name(self, stem: str) -> str:
        """Return the name of this part's own file: ``report``, or ``report-2-of-8``."""
        return stem if self.count == 1 else f"{stem}-{self.number}-of-{self.count}"


def shard_from_text(text: str) -> Shard:
    """Read ``2/8``; an empty text is all of the work.

    Raises:
        InputError: It is not of this form, or there is no such part.
    """
    if not text:
        return Shard()
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if match and 1 <= int(match[1]) <= int(match[2]):
        return Shard(int(match[1]), int(match[2]))
    raise InputError(
        "--shard",
        found=repr(text),
        expected="i/n with i from 1 to n, such as 2/8",
        do="In a SLURM array, `sbatch --array=1-8` and "
        "`--shard $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT`",
        reason="bad_shard",
    )
