# SPDX-License-Identifier: Apache-2.0
"""The history of one edge of the tf tree: interpolates, and limits extrapolation."""

from bisect import bisect_left, bisect_right, insort
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.geometry import interpolate_rigid
from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.trigger import JUMP_BACK

OTHER_CLOCK = 10 * NANOSECONDS
"""Nanoseconds: what lies further from a transform than this is of another clock, or after the
last transform there was."""


class TransformEdge:
    """Poses of a child frame in its parent over time.

    Args:
        parent: Frame that the poses are in.
        child: Frame whose poses they are.
        static: Whether one pose holds at all times.

    Attributes:
        received: Messages that have come.
        in_a_row: How many of them came since the last one that gave the child another parent.
        since: Stamp of the first of these.
        restarts: How often its stamps have jumped back.
        as_static: How often a dynamic one has come as static since its last message.
    """

    def __init__(self, parent: str, child: str, static: bool):
        self.parent, self.child, self.static = parent, child, static
        self.received = self.in_a_row = self.since = self.restarts = self.as_static = 0
        self._stamps: list[int] = []
        self._poses: dict[int, NDArray[np.float64]] = {}

    @property
    def name(self) -> str:
        """What it is called in reports."""
        return f"tf {self.parent} <- {self.child}"

    @property
    def newest(self) -> int:
        """The newest stamp, nanoseconds."""
        return self._stamps[-1]

    def add(self, stamp: int, pose: NDArray[np.float64], cache: int) -> None:
        """Add a (4, 4) pose; keep ``cache`` nanoseconds of history."""
        self.received += 1
        self.as_static = 0
        if not self.in_a_row:
            self.since = stamp
        self.in_a_row += 1
        if self.static:
            self._stamps, self._poses = [0], {0: pose}
            return
        if self._stamps and stamp < self.newest - JUMP_BACK:
            self._stamps, self._poses = [], {}
            self.restarts += 1
        if stamp not in self._poses:
            insort(self._stamps, stamp)
        self._poses[stamp] = pose
        while self._stamps[0] < self.newest - cache:
            del self._poses[self._stamps.pop(0)]

    def period(self) -> float:
        """Return the seconds between its last stamps; 0 before the second, and where static."""
        steps = [after - before for before, after in pairwise(self._stamps[-10:])]
        return median(steps) / NANOSECONDS if steps else 0.0

    def covers(self, stamp: int, reach: int) -> bool:
        """Return whether no message still to come would change what is known of a stamp."""
        return self.static or self._stamps[0] - reach <= stamp <= self.newest

    def at(self, stamp: int, reach: int) -> NDArray[np.float64]:
        """Return the (4, 4) pose at a stamp.

        Args:
            stamp: Nanoseconds.
            reach: Nanoseconds beyond the known stamps, at most. There the nearest known motion
                goes on at its speed; a lone pose holds.

        Raises:
            InputError: The stamp lies further beyond.
        """
        if self.static or stamp in self._poses:
            return self._poses[0 if self.static else stamp]
        beyond = max(self._stamps[0] - stamp, stamp - self.newest)
        if beyond > reach:
            raise self._too_far(stamp, beyond, reach)
        if len(self._stamps) == 1:
            return self._poses[self.newest]
        first, second = _around(self._stamps, stamp)
        fraction = (stamp - first) / (second - first)
        return interpolate_rigid(self._poses[first], self._poses[second], fraction)

    def nearest(self, stamp: int) -> NDArray[np.float64]:
        """Return the pose at a stamp, beyond the known ones the nearest, however far that is."""
        if self.static or self._stamps[0] <= stamp <= self.newest:
            return self.at(stamp, 0)
        return self._poses[self._stamps[0] if stamp < self.newest else self.newest]

    def _too_far(self, stamp: int, beyond: int, reach: int) -> InputError:
        known = " to ".join(f"{each / NANOSECONDS:.3f}" for each in (self._stamps[0], self.newest))
        other = beyond > OTHER_CLOCK
        return InputError(
            self.name,
            found=f"transforms from {known} s, {beyond / NANOSECONDS:.3f} s away from what is "
            f"needed at {stamp / NANOSECONDS:.3f} s",
            expected=f"at most {reach / NANOSECONDS:.3f} s",
            do="Look whether it is still published, and whether its clock and the sensor's are one"
            if other
            else "Publish it more often or sooner, or raise max_extrapolation",
            reason="tf_other_clock" if other else "tf_extrapolation",
        )


def _around(stamps: list[int], stamp: int) -> tuple[int, int]:
    """Return the two known stamps between or beyond which a pose is computed.

    Beyond the ends the motion is measured over at least the time that it goes on for, where the
    history is that long: the noise of two poses close in time would grow with the distance.
    """
    oldest, newest = stamps[0], stamps[-1]
    if stamp > newest:
        before = bisect_right(stamps, newest - (stamp - newest)) - 1
        return stamps[max(before, 0)], newest
    if stamp < oldest:
        after = bisect_left(stamps, oldest + (oldest - stamp))
        return oldest, stamps[min(after, len(stamps) - 1)]
    after = bisect_left(stamps, stamp)
    return stamps[after - 1], stamps[after]
