"""Which reference stamps become frames."""

from collections import deque

from effocc_ros.stamps import NANOSECONDS

JUMP_BACK = NANOSECONDS
"""Nanoseconds: stamps that fall back further than this mean a restart, as of a bag in a loop."""

SLACK = 1_000_000
"""Nanoseconds by which a keyframe may come early: sensor clocks jitter."""


class KeyframeGate:
    """Accepts the first stamp, then every stamp an interval after the last accepted one.

    One stamp is one keyframe at most, and stamps that go back are none, unless they go back so
    far that the recording began anew. The node and the bag player's lockstep use the same gate,
    and so agree on the keyframes.

    Args:
        interval_s: Seconds between keyframes; 0 accepts every new stamp.
    """

    def __init__(self, interval_s: float):
        self._interval = max(round(interval_s * NANOSECONDS) - SLACK, 1)
        self._accepted: deque[int] = deque(maxlen=100)

    def would_accept(self, stamp: int) -> bool:
        """Return whether the stamp (nanoseconds) would be the next keyframe."""
        last = self._accepted[-1] if self._accepted else None
        return last is None or stamp >= last + self._interval or stamp < last - JUMP_BACK

    def accepts(self, stamp: int) -> bool:
        """Return whether the stamp (nanoseconds) is a keyframe, and remember it if so."""
        accepted = self.would_accept(stamp)
        if accepted:
            self._accepted.append(stamp)
        return accepted

    def rewind(self, stamp: int) -> None:
        """Forget that this stamp and later ones were accepted."""
        while self._accepted and self._accepted[-1] >= stamp:
            self._accepted.pop()
