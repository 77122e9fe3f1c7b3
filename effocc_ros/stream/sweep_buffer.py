# SPDX-License-Identifier: Apache-2.0
"""The LiDAR sweeps of the last second."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.trigger import DUPLICATE, JUMP_BACK, OUT_OF_ORDER


@dataclass(frozen=True)
class RawSweep:
    """One decoded sweep in its sensor's frame.

    Attributes:
        stamp: Nanoseconds.
        frame_id: tf frame of the sensor; empty when the message named none.
        points: (N, 4) float32 x, y, z in metres and intensity; (N, 5) with elongation.
    """

    stamp: int
    frame_id: str
    points: NDArray[np.float32]


class SweepBuffer:
    """Keeps the newest sweeps.

    Args:
        count: Earlier sweeps that a frame uses.
        max_age_s: Sweeps older than this against the reference are not used.
        pending: Further sweeps kept, for references that still wait for their images.
    """

    def __init__(self, count: int, max_age_s: float = 1.0, pending: int = 20):
        self._count, self._pending = count, pending
        self._max_age = round(max_age_s * NANOSECONDS)
        self._sweeps: deque[RawSweep] = deque(maxlen=count + pending)

    def reconfigure(self, count: int) -> None:
        """Let a frame use another number of earlier sweeps from now on."""
        self._count = count
        self._sweeps = deque(self._sweeps, maxlen=count + self._pending)

    def add(self, sweep: RawSweep) -> str:
        """Add a sweep; a jump back in time forgets the others.

        Returns:
            Why it is no news, empty where it is. One that is out of order is kept all the same.
        """
        newest = self.newest()
        if newest is not None and sweep.stamp < newest.stamp - JUMP_BACK:
            self._sweeps.clear()
            newest = None
        if any(sweep.stamp == known.stamp for known in self._sweeps):
            return DUPLICATE
        self._sweeps.append(sweep)
        return OUT_OF_ORDER if newest is not None and sweep.stamp < newest.stamp else ""

    def newest(self) -> RawSweep | None:
        """Return the newest sweep, None where none has come."""
        return max(self._sweeps, key=lambda sweep: sweep.stamp, default=None)

    def by_stamp(self) -> list[RawSweep]:
        """Return the sweeps, oldest first."""
        return sorted(self._sweeps, key=lambda sweep: sweep.stamp)

    def before(self, stamp: int, more: int = 0) -> list[RawSweep]:
        """Return the sweeps before a reference at ``stamp`` that it uses, newest first.

        Args:
            stamp: Nanoseconds.
            more: How many more than of the reference's own LiDAR.
        """
        fitting = {
            sweep.stamp: sweep
            for sweep in self._sweeps
            if stamp - self._max_age <= sweep.stamp < stamp
        }
        newest = sorted(fitting, reverse=True)[: self._count + more]
        return [fitting[each] for each in newest]
