# SPDX-License-Identifier: Apache-2.0
"""What diagnostics measure over time, on the machine's own clock."""

import time
from collections import deque

RECENT_SECONDS = 60.0
"""Time over which shares are told."""

STANDS_SECONDS = 2.0
"""A clock that does not move for so long stands still."""


class RecentShare:
    """The share of what was lost over the last minute, such as dropped frames."""

    def __init__(self):
        self._counted: deque[tuple[float, int, int]] = deque()

    def of(self, total: int, lost: int) -> float:
        """Return it, given how many there were, and how many of these were lost, so far."""
        now = time.monotonic()
        self._counted.append((now, total, lost))
        while self._counted[0][0] < now - RECENT_SECONDS:
            self._counted.popleft()
        _, total_before, lost_before = self._counted[0]
        return min((lost - lost_before) / max(total - total_before, 1), 1.0)


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
