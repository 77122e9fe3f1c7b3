# SPDX-License-Identifier: Apache-2.0
"""Which inputs are late, or have fallen silent, by what the others send meanwhile."""

from collections import Counter, deque
from dataclasses import dataclass, field
from statistics import median

from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.trigger import JUMP_BACK, LONGEST_WAIT

SILENT = 2.5
"""Periods after which an input that has not come is silent: one message may be lost."""

LATE = 1.5
"""Periods, or longest of the last gaps between arrivals, after which an input is late."""

OF_AN_INTERVAL = 1.5
"""Intervals between frames after which an input that sends more often is silent."""

UNKNOWN_PERIOD = 0.4
"""Seconds, for an input that has not sent two messages yet: it may be starting."""

GOING_ON = 2
"""Messages that an input must have sent meanwhile to be known to go on, if it made no pause."""

REMEMBERED = 9
"""Steps between stamps whose median is a period."""

REMEMBERED_GAPS = 100
"""Gaps between arrivals by which it is known how punctual an input is."""


@dataclass
class _Input:
    last: int = 0
    arrival: float = 0.0
    steps: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    gaps: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED_GAPS))
    others: Counter[str] = field(default_factory=Counter)
    """How many messages of the others had come when its last one came."""
    no_pause_since: float = 0.0
    is_pose: bool = False

    def period(self) -> float:
        return median(self.steps) / NANOSECONDS if self.steps else 0.0

    def went_on(self, since: float, now: float) -> bool:
        """Return whether its messages have come at their pace all the time."""
        return self.no_pause_since <= since and 0.0 <= now - self.arrival <= LATE * self.period()


class SilenceWatch:
    """Says which inputs are late or silent.

    Two rulers must agree. One is the messages of another input that goes on meanwhile, in their
    order of arrival: a gap in the stamps of all inputs, the distance between two sensors' clocks
    or a paused recording make no input late. The other input must have sent as many as the one
    that is waited for is given, or two if by the caller's clock it has made no pause. Sensors are
    ruled by sensors alone: poses begin before them, go on while all of them pause, and are read
    ahead in recordings. The other ruler is the caller's clock: an input that was less punctual
    lately is given longer, up to LONGEST_WAIT.

    Args:
        interval_s: Seconds between frames, at least: silence shorter than that is of no matter.
        max_wait_s: Seconds of the caller's clock that an input may be late; 0: by how punctual it
            was.
    """

    def __init__(self, interval_s: float = 0.0, max_wait_s: float = 0.0):
        self._inputs: dict[str, _Input] = {}
        self._counts: Counter[str] = Counter()
        self._since: float | None = None
        self.reconfigure(interval_s, max_wait_s)

    def reconfigure(self, interval_s: float, max_wait_s: float) -> None:
        """Take another interval and wait from now on."""
        self._interval, self._max_wait = interval_s, max_wait_s

    def heard(self, name: str, stamp: int, now: float, *, is_pose: bool = False) -> None:
        """Note a message.

        Args:
            name: Which input it came on.
            stamp: Nanoseconds.
            now: Seconds on the caller's clock.
            is_pose: Whether the input tells poses, and is no sensor.
        """
        known = self._inputs.setdefault(name, _Input(is_pose=is_pose))
        back = stamp < known.last - JUMP_BACK
        if stamp == known.last:
            return  # sent again: nothing new has come
        if not is_pose and (self._since is None or now < self._since):
            self._since = now
        if back:
            known.steps.clear()
        elif known.last and stamp > known.last:
            known.steps.append(stamp - known.last)
        if back or stamp > known.last:
            known.last = stamp
            self._counts[name] += 1
        gap = now - known.arrival if known.others else 0.0
        if 0.0 < gap <= LONGEST_WAIT:  # a longer one was a silence
            known.gaps.append(gap)
        if not 0.0 < gap <= LATE * known.period():
            known.no_pause_since = now
        known.arrival, known.others = now, self._counts.copy()

    def begin_anew(self, name: str) -> None:
        """Forget an input that was not listened to for some time: it begins now."""
        latest = max((each.arrival for each in self._inputs.values()), default=0.0)
        if name in self._inputs:
            self._inputs[name] = _Input(arrival=latest, others=self._counts.copy())

    def period(self, name: str) -> float:
        """Return the seconds between an input's stamps; 0 while that is not known."""
        known = self._inputs.get(name)
        return 0.0 if known is None else known.period()

    def silent(self, name: str, now: float) -> bool:
        """Return whether an input has fallen silent, or never begun.

        Args:
            name: The input.
            now: Seconds on the caller's clock.
        """
        known = self._inputs.get(name) or _Input()
        period = known.period() or UNKNOWN_PERIOD
        limit = max(SILENT * period, OF_AN_INTERVAL * self._interval)
        return self._away(known, now, limit, SILENT)

    def late(self, name: str, now: float) -> bool:
        """Return whether an input's next message is not worth waiting for any longer.

        It may be lost, or be the first of those that do not come. Where the caller says how long
        to wait, nothing is late before.
        """
        known = self._inputs.get(name)
        if self._max_wait or known is None or not known.steps:
            return False
        return self._away(known, now, LATE * known.period(), LATE)

    def _away(self, known: _Input, now: float, limit: float, patience: float) -> bool:
        """Return whether an input has not come for so many seconds and messages of another."""
        since = known.arrival if known.others else self._since
        elapsed = 0.0 if since is None else now - since  # below 0: the clock was set back
        if 0.0 <= elapsed < (self._max_wait or limit):
            return False
        for name, other in self._inputs.items():
            if other.is_pose and not known.is_pose:
                continue
            came, pace = self._counts[name] - known.others[name], other.period()
            many = came >= patience and came * pace > max(limit, patience * pace)
            goes_on = known.last and came >= GOING_ON and other.went_on(now - elapsed, now)
            if pace and (many or goes_on):
                return not 0.0 <= elapsed < self._grace(known)
        return False

    def _grace(self, known: _Input) -> float:
        """Return the seconds that an input is given, by how punctual it was lately."""
        longest = max(known.gaps, default=0.0)
        return self._max_wait or min(LATE * longest, LONGEST_WAIT)
