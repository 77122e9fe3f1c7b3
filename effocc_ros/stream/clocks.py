# SPDX-License-Identifier: Apache-2.0
"""Whose clock is not that of the others."""

from collections import deque
from dataclasses import dataclass, field
from statistics import median

from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.report import Remark, duration
from effocc_ros.stream.trigger import JUMP_BACK

COMPARED = 5
"""Messages of an input by which its clock is judged."""

DIFFERENT = 0.5
"""Seconds between two clocks from which it is said."""

ASTRAY = 10.0
"""Seconds from which a sensor cannot belong to the others' moments."""

UNDECIDED = 3.0
"""Seconds for which an input that came may still decide between two that disagree."""

GAPS = {
    18: "GPS time is ahead of UTC",
    19: "TAI, the time of PTP, is ahead of GPS time",
    37: "TAI, the time of PTP, is ahead of UTC",
}
"""Whole seconds between the time scales of sensors, since 2017."""

HOUR = 3600.0

SINCE_BOOT = 1e9
"""Seconds: stamps below are no dates of this century but count from a start."""


@dataclass
class _Clock:
    last: int = 0
    slack: float = DIFFERENT
    offset: float = 0.0
    judged: bool = False
    arrivals: deque[float] = field(default_factory=lambda: deque(maxlen=COMPARED))
    lags: deque[float] = field(default_factory=lambda: deque(maxlen=COMPARED))
    """Seconds by which its stamps lay before the caller's clock when they came."""
    lag: float = 0.0
    spread: float = 0.0

    @property
    def known(self) -> bool:
        return len(self.lags) == COMPARED

    def add(self, arrived: float, lag: float) -> None:
        self.arrivals.append(arrived)
        self.lags.append(lag)
        ordered = sorted(self.lags)
        self.lag, self.spread = median(ordered), ordered[-1] - ordered[0]


class ClockWatch:
    """Compares the clocks of all inputs by how far each lies from the caller's on arrival.

    The caller's own clock need not be any of theirs, as when a bag is played: only differences
    between inputs count, and most inputs are right.
    """

    def __init__(self):
        self._clocks: dict[str, _Clock] = {}
        self._ahead: dict[str, float] = {}
        self._unjudged: set[str] = set()

    def note(
        self,
        source: str,
        stamp: int,
        arrived: float,
        slack: float = DIFFERENT,
        offset: float = 0.0,
    ) -> dict[str, Remark]:
        """Note a message.

        Args:
            source: The input.
            stamp: Nanoseconds.
            arrived: When it came, seconds of a clock that is the same for all inputs.
            slack: Seconds between the clocks that are of no matter.
            offset: Seconds that were added to its stamps, as the rig says.

        Returns:
            Input -> what to say of its clock: of this one, and of those that could not be judged
            before.
        """
        clock = self._clocks.setdefault(source, _Clock())
        if stamp < clock.last - JUMP_BACK:
            for each in self._clocks.values():  # a bag that begins anew begins for all
                each.arrivals.clear()
                each.lags.clear()
        clock.last, clock.slack, clock.offset = stamp, slack, offset
        clock.add(arrived, arrived - stamp / NANOSECONDS)
        remarks = {}
        for name in {source, *self._unjudged}:
            if self._clocks[name].lags:
                remarks |= self._judge(name)
        return remarks

    def _judge(self, source: str) -> dict[str, Remark]:
        clock = self._clocks[source]
        usual = self._usual(clock)
        if usual is None or not (clock.known or _counts_from_boot(clock, usual)):
            self._unjudged.add(source)
            return {}
        self._unjudged.discard(source)
        clock.judged = True
        ahead = usual - clock.lag
        if abs(ahead) < max(clock.slack, 2.0 * clock.spread):
            self._ahead.pop(source, None)
            return {}
        self._ahead[source] = ahead
        return {source: _remark(source, ahead, clock)}

    def ahead(self, source: str) -> float:
        """Return the seconds by which an input's clock goes before the others'; 0 if it does not.

        Only what was said of it counts.
        """
        return self._ahead.get(source, 0.0)

    def astray(self, source: str) -> bool:
        """Return whether an input's stamps are of no use beside the others'."""
        return abs(self.ahead(source)) > ASTRAY

    def forget(self) -> None:
        """Begin anew: the clocks were set."""
        self._clocks.clear()
        self._ahead.clear()
        self._unjudged.clear()

    def _usual(self, clock: _Clock) -> float | None:
        """Return the lag of the largest group of inputs that came meanwhile, None if unknown."""
        since, now = clock.arrivals[0], clock.arrivals[-1]
        if not clock.judged:  # it may have ended before the others
            since -= UNDECIDED
        lags, undecided = [], False
        for each in self._clocks.values():
            enough = each.known or not clock.known
            if each.arrivals and enough and each.arrivals[-1] >= since and each.spread < ASTRAY:
                lags.append(each.lag)
            elif each.arrivals and now - each.arrivals[-1] < UNDECIDED:
                undecided = True
        if len(lags) < 2:
            return None
        if max(lags) - min(lags) < DIFFERENT:  # as nearly always: one group
            return median(lags)
        groups = [[other for other in lags if abs(other - lag) < DIFFERENT] for lag in lags]
        # Of two that disagree, the one nearer to the caller's clock is right.
        best = max(groups, key=lambda group: (len(group), -abs(median(group))))
        if undecided and any(len(each) == len(best) and each != best for each in groups):
            return None
        return median(best)


def _counts_from_boot(clock: _Clock, usual: float) -> bool:
    """Return whether stamps count from a start beside dates: one message of each tells."""
    seconds = clock.last / NANOSECONDS
    return seconds < SINCE_BOOT < seconds + clock.lag - usual


def _offset(source: str, seconds: float) -> str:
    """Say where the seconds stand that are to be added to an input's stamps."""
    if source.startswith("tf"):
        return f"set tf_clock_offset_s in the rig (node: clock_offsets, tf=...) to {seconds:.12g}"
    return (
        f"set clock_offset_s of {source} in the rig (points_clock_offset_s where it is the first "
        f"LiDAR; node: clock_offsets, {source}=...) to {seconds:.12g}"
    )


def _known_gap(seconds: float) -> str:
    """Say where the distance between two clocks may come from; nothing where that is unknown."""
    for gap, reason in GAPS.items():
        if abs(seconds - gap) < DIFFERENT:
            return f"{gap} s is what {reason}. "
    hours = seconds / HOUR
    if 0.5 < hours < 14.5 and abs(2 * hours - round(2 * hours)) * HOUR < 4.0:
        return f"{round(2 * hours) / 2:g} hours may be local time in place of UTC. "
    return ""


def _remark(source: str, ahead: float, clock: _Clock) -> Remark:
    far, side = duration(abs(ahead)), "before" if ahead > 0 else "behind"
    seconds = clock.last / NANOSECONDS
    late = ", or they come that late" if -ASTRAY < ahead < 0 else ""
    driver = "Let the driver stamp with the computer's time, or synchronise the sensor (PTP)."
    if seconds < SINCE_BOOT < seconds - ahead:
        advice = (
            f", as of a clock that counts from its start; expected one clock for all. {driver}"
        )
    elif seconds - ahead < SINCE_BOOT < seconds:
        advice = f", whose clocks count from a start; expected one clock for all. {driver}"
    else:
        advice = (
            f"{late}; expected one clock for all. {_known_gap(abs(ahead))}Synchronise them (PTP, "
            f"chrony), or {_offset(source, round(clock.offset - ahead, 3))}."
        )
    found = f"stamps ({seconds:.3f} s) {far} {side} those of the other inputs as they come"
    return Remark("other_clock", f"clock of {source}: found {found}{advice}")
