# SPDX-License-Identifier: Apache-2.0
"""Wait for another thread or process."""

import time
from collections.abc import Callable
from typing import Any


def wait_until(done: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """Wait for something to become true, and return it."""
    deadline = time.monotonic() + seconds
    while not (result := done()):
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(0.01)
    return result
