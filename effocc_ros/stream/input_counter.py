# SPDX-License-Identifier: Apache-2.0
"""Counts and rates of one input."""

from collections import deque
from dataclasses import dataclass, field
from statistics import median

from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.report import InputStatistics

REMEMBERED = 20
"""Arrivals and matches from which rates and distances are computed."""

PUNCTUAL = 1.5
"""Mean periods after which the next message is overdue and the rate begins to fall."""


@dataclass
class InputCounter:
    """Counts the messages of one input, and how well its images fit."""

    _count: int = 0
    _last_stamp: int = 0
    _arrivals: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _distances: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def count(self, stamp: int, now: float) -> None:
        """Count one message."""
        self._count += 1
        self._last_stamp = stamp
        if self._arrivals and now < self._arrivals[-1]:
            self._arrivals.clear()  # the clock was set back
        self._arrivals.append(now)

    def matched(self, distance: int) -> None:
        """Note how far, in nanoseconds, an image lay from where it was expected."""
        self._distances.append(abs(distance))

    def statistics(self, now: float | None = None) -> InputStatistics:
        """Return the counts at a moment of the caller's clock; None: when the last one came."""
        distances = [distance / NANOSECONDS for distance in self._distances]
        return InputStatistics(
            count=self._count,
            rate=rate(self._arrivals, now),
            last_stamp=self._last_stamp,
            last_arrival=self._arrivals[-1] if self._arrivals else 0.0,
            period=mean_period(self._arrivals),
            distance=median(distances) if distances else None,
            worst_distance=max(distances, default=None),
        )


def rate(arrivals: deque[float], now: float | None = None) -> float:
    """Return events per second: constant while they come on time, then falling.

    Args:
        arrivals: Seconds, oldest first.
        now: Seconds on the same clock; None: at the last arrival.
    """
    period = mean_period(arrivals)
    if not period:
        return 0.0
    late = now is not None and now - arrivals[-1] > PUNCTUAL * period
    return (len(arrivals) - 1) / (now - arrivals[0]) if late else 1.0 / period


def mean_period(arrivals: deque[float]) -> float:
    """Return the mean seconds between arrivals, 0 before the second."""
    if len(arrivals) < 2:
        return 0.0
    return (arrivals[-1] - arrivals[0]) / (len(arrivals) - 1)
