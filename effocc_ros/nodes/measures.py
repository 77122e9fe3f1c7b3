# SPDX-License-Identifier: Apache-2.0
"""What diagnostics measure over time, on the machine's own clock."""

import time
from collections import deque

RATIO_SECONDS = 60.0
"""Time over which the share of dropped frames is told."""

STANDS_SECONDS = 2.0
"""A clock that does not move for so long stands still."""


class DropRatio:
    """The share of dropped frames over the last minute."""

    def __init__(self):
        self._counted: deque[tuple[float, int, int]] = deque()

    def of(self, frames_in: int, drops: int) -> float:
        """Return it, given how many frames came in and were dropped so far."""
        now = time.monotonic()
        self._counted.append((now, frames_in, drops))
        while self._counted[0][0] < now - RATIO_SECONDS:
            self._counted.popleft()
        _, frames_before, drops_before = self._counted[0]
        return (drops - drops_before) / max(frames_in - frames_before, 1)


class StandingClock:
    """Tells whether a node's clock moves: a simulator may stop, or end."""

    def __init__(self):
        self._last, self._moved = 0.0, time.monotonic()

    def stands(self, now: float) -> float | None:
        """Return for how many seconds the clock has stood still; None where it moves.

        Args:
            now: Seconds on the node's clock; 0: it has not begun.
        """
        moment = time.monotonic()
        if now != self._last:
            self._last, self._moved = now, moment
        stood = moment - self._moved
        return stood if not now or stood > STANDS_SECONDS else None
