"""Counts and rates of a stream."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

REMEMBERED = 20
"""Arrivals from which a rate is computed."""


@dataclass(frozen=True)
class InputStatistics:
    """How one input does.

    Attributes:
        count: Messages that came.
        rate: Messages per second of the caller's clock, over the last of them.
        last_stamp: Header stamp of the newest message, nanoseconds.
        last_arrival: When it came, seconds of the caller's clock.
    """

    count: int
    rate: float
    last_stamp: int
    last_arrival: float


@dataclass(frozen=True)
class StreamStatistics:
    """How a stream does.

    Attributes:
        inputs: By name of camera or LiDAR.
        frames_in: Reference messages that should become a frame.
        frames_out: Frames assembled.
        drops: Reason -> reference messages that did not become a frame.
        rejected: ``source.reason`` -> messages that could not be used; for ``no_image`` frames
            that went on without that camera.
        noted: ``source.reason`` -> messages that were used, but not without a remark.
    """

    inputs: Mapping[str, InputStatistics]
    frames_in: int
    frames_out: int
    drops: Mapping[str, int]
    rejected: Mapping[str, int]
    noted: Mapping[str, int] = field(default_factory=dict)


class InputCounter:
    """Counts the messages of one input."""

    def __init__(self):
        self._count = 0
        self._last_stamp = 0
        self._arrivals: deque[float] = deque(maxlen=REMEMBERED)

    def count(self, stamp: int, now: float) -> None:
        """Count one message."""
        self._count += 1
        self._last_stamp = stamp
        self._arrivals.append(now)

    def statistics(self) -> InputStatistics:
        """Return the counts as they are now."""
        rate = last = 0.0
        if self._arrivals:
            last = self._arrivals[-1]
            span = last - self._arrivals[0]
            rate = (len(self._arrivals) - 1) / span if span > 0 else 0.0
        return InputStatistics(self._count, rate, self._last_stamp, last)


def plain(counts: Counter[str]) -> dict[str, int]:
    """Return the counts that are not zero."""
    return {name: count for name, count in counts.items() if count}
