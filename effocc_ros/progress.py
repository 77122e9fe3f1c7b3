# SPDX-License-Identifier: Apache-2.0
"""How far a run is: a bar on a terminal, lines of their own in a file."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

Item = TypeVar("Item")

EVERY = 10.0
"""Seconds between two lines."""


def with_progress(
    items: Iterable[Item],
    total: int | None,
    *,
    what: str = "",
    unit: str = "msg",
    shown: bool = True,
) -> Iterator[Item]:
    """Pass items on and say on stderr how many have been.

    Warnings that are logged meanwhile stand on lines of their own.

    Args:
        items: What is worked through.
        total: How many there are; None where it is not known.
        what: What they are of, before the numbers.
        unit: What one of them is called.
        shown: False says nothing.
    """
    if not shown:
        yield from items
    elif sys.stderr.isatty():
        with logging_redirect_tqdm():
            yield from tqdm(items, desc=what or None, total=total, unit=unit)
    else:
        yield from _with_lines(items, total, f"{what}: " if what else "", unit)


def _with_lines(
    items: Iterable[Item], total: int | None, before: str, unit: str
) -> Iterator[Item]:
    said, done = time.monotonic(), 0
    of = "" if total is None else f" of {total}"
    for item in items:
        if time.monotonic() - said >= EVERY:
            said = time.monotonic()
            print(f"{before}{done}{of} {unit}", file=sys.stderr, flush=True)
        yield item
        done += 1
    print(f"{before}{done}{of} {unit}", file=sys.stderr, flush=True)
