# SPDX-License-Identifier: Apache-2.0
"""How many threads a piece of work may use."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch's CPU operations inside the block run on the calling thread alone.

    For work in pieces so small that waking other threads for each takes longer than the piece, and
    much longer when something else keeps the cores busy.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
