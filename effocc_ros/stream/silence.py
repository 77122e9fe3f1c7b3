# SPDX-License-Identifier: Apache-2.0
"""Which inputs have fallen silent, by their own period and that of the inputs that go on."""

from collections import Counter, deque
from dataclasses import dataclass, field
from statistics import median

from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.trigger import JUMP_BACK

PATIENCE = 2.5
"""Periods after which an input that has not come is silent."""

UNKNOWN_PERIOD = 0.4
"""Seconds, for an input that has not sent two messages yet: it may be starting."""

REMEMBERED = 9
"""Steps between stamps whose median is a period."""


@dataclass
class _Input:
    last: int = 0
    arrival: float = 0.0
    steps: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    others: Counter[str] = field(default_factory=Counter)
    """How many messages of the others had come when its last one came."""

    def period(self) -> float:
        return median(self.steps) / NANOSECONDS if self.steps else 0.0


class SilenceWatch:
    """Says which inputs are silent.

    Silence is told by messages of another input that goes on meanwhile, in their order of
    arrival: a gap in the stamps of all inputs, the distance between two sensors' clocks or a
    transport that is late make no input silent.

    Args:
        interval_s: Seconds between frames, at least: silence shorter than that is of no matter.
        max_wait_s: Seconds of the caller's clock that an input may be late.
    """

    def __init__(self, interval_s: float = 0.0, max_wait_s: float = 0.2):
        self._inputs: dict[str, _Input] = {}
        self._counts: Counter[str] = Counter()
        self._since: float | None = None
        self.reconfigure(interval_s, max_wait_s)

    def reconfigure(self, interval_s: float, max_wait_s: float) -> None:
        """Take another interval and wait from now on."""
        self._interval, self._max_wait = interval_s, max_wait_s

    def heard(self, name: str, stamp: int, now: float) -> None:
        """Note a message.

        Args:
            name: Which input it came on.
            stamp: Nanoseconds.
            now: Seconds on the caller's clock.
        """
        known = self._inputs.setdefault(name, _Input())
        back = stamp < known.last - JUMP_BACK
        if stamp == known.last:
            return  # sent again: nothing new has come
        if self._since is None or now < self._since:
            self._since = now
        if back:
            known.steps.clear()
        elif known.last and stamp > known.last:
            known.steps.append(stamp - known.last)
        if back or stamp > known.last:
            known.last = stamp
            self._counts[name] += 1
        known.arrival, known.others = now, self._counts.copy()

    def period(self, name: str) -> float:
        """Return the seconds between an input's stamps; 0 while that is not known."""
        known = self._inputs.get(name)
        return 0.0 if known is None else known.period()

    def silent(self, name: str, by: str, now: float) -> bool:
        """Return whether an input has fallen silent, or never begun.

        Args:
            name: The input.
            by: Another one, whose messages tell the time that goes by.
            now: Seconds on the caller's clock.
        """
        known, pace = self._inputs.get(name, _Input()), self.period(by)
        came = self._counts[by] - known.others[by]
        if name == by or not pace or came < PATIENCE:
            return False
        since = known.arrival if known.last else self._since
        if 0 <= now - since < self._max_wait:
            return False
        period = known.period() or UNKNOWN_PERIOD
        return came * pace > PATIENCE * max(period, pace, self._interval)
