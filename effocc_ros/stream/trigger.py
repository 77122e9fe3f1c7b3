"""Which reference stamps become frames."""

from effocc_ros.stamps import NANOSECONDS

SLACK = 1_000_000
"""Nanoseconds by which a keyframe may come early: sensor clocks tremble."""


class KeyframeGate:
    """Accepts the first stamp, then every stamp an interval after the last accepted one.

    The node and the bag player's lockstep use the same gate, and so agree on the keyframes.

    Args:
        interval_s: Seconds between keyframes; 0 accepts every stamp.
    """

    def __init__(self, interval_s: float):
        self._interval = round(interval_s * NANOSECONDS)
        self._last: int | None = None

    def accepts(self, stamp: int) -> bool:
        """Return whether the stamp (nanoseconds) is a keyframe; a jump back in time is one."""
        due = self._last is None or stamp <= self._last
        if due or stamp >= self._last + self._interval - SLACK:
            self._last = stamp
            return True
        return False
