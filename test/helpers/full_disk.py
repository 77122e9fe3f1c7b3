# SPDX-License-Identifier: Apache-2.0
"""A disk that has no room for large files: the system itself refuses to write on."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

REFUSED = "File too large"
"""What the system says; of a disk that is full it says `No space left on device`."""


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Let no file of this process grow above ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
