# SPDX-License-Identifier: Apache-2.0
"""Moments that become frames: which they are, and what belongs to one."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from effocc_ros.stamps import NANOSECONDS

JUMP_BACK = NANOSECONDS
"""Nanoseconds: stamps that fall back further than this mean a restart, as of a bag in a loop."""

LONGEST_WAIT = 0.2
"""Seconds on the caller's clock that a moment waits, and that nobody is called silent before whose
messages are not punctual: where the caller does not say another time."""

DUPLICATE, OUT_OF_ORDER = "duplicate_stamp", "out_of_order"
"""Reasons why a message makes no frame, though its sensor makes them."""

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


@dataclass(frozen=True)
class Trigger:
    """A reference message whose wait is over, and the images that go with it.

    Attributes:
        stamp: Of the reference message, nanoseconds.
        reference: What the caller gave with it.
        images: Camera name -> (stamp, message); a camera without an image is not there.
        missing: Camera without an image -> nanoseconds from where its image was expected to the
            nearest one that it has; None where it has none at all.
        distances: Camera name -> nanoseconds by which its image lies after the expected stamp.
        sensor: The camera or LiDAR whose message the reference is.
    """

    stamp: int
    reference: Any = field(repr=False)
    images: Mapping[str, tuple[int, Any]] = field(repr=False)
    missing: Mapping[str, int | None] = field(default_factory=dict)
    distances: Mapping[str, int] = field(default_factory=dict)
    sensor: str = ""

    @property
    def newest(self) -> int:
        """The newest stamp of all that belongs to it."""
        return max([self.stamp, *(stamp for stamp, _ in self.images.values())])


class Readiness(Enum):
    """Whether all else that a trigger needs (tf, calibration) has come."""

    COMPLETE = "nothing still to come would change it"
    INCOMPLETE = "usable once its wait is over"
    TOO_EARLY = "not usable before something more has come"
