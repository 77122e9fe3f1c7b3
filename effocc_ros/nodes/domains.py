# SPDX-License-Identifier: Apache-2.0
"""ROS domains that nobody else on this machine takes meanwhile."""

import fcntl
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from effocc_ros.errors import InputError

DOMAINS = range(1, 102)
"""Numbers that work everywhere: ports of higher ones meet those that Linux gives to programs."""


@contextmanager
def own_domain() -> Iterator[int]:
    """Give a ROS domain that no other caller has until this context ends.

    Only callers of this function keep out of each other's way, so the number is drawn by chance:
    nodes that were started by hand are rarely met.

    Raises:
        InputError: Every domain is taken.
    """
    for number in random.SystemRandom().sample(DOMAINS, len(DOMAINS)):
        try:
            file = (Path(tempfile.gettempdir()) / f"effocc-ros-domain-{number}").open("w")
        except PermissionError:
            continue  # another user has taken it once
        with file:
            if _locked(file):
                yield number
                return
    raise InputError(
        "ROS domain",
        found=f"all of {DOMAINS[0]} to {DOMAINS[-1]} taken",
        expected="a free one",
        do=f"End other runs, or remove effocc-ros-domain-* in {tempfile.gettempdir()}",
        reason="no_domain",
    )


def _locked(file: IO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
