# SPDX-License-Identifier: Apache-2.0
"""How images are matched to reference messages, and how long what may fit is kept."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from effocc_ros.stream.trigger import LONGEST_WAIT

ROOM = 2.0
"""Longest waits of which messages are kept beyond what is known to be wanted."""


@dataclass(frozen=True)
class SyncConfig:
    """How images are matched.

    Attributes:
        cameras: Camera names.
        offsets: Seconds by which a camera's stamps lie after the LiDAR's; 0 where absent.
        tolerance: Seconds between an image and its expected stamp, at most; 0: half of the
            camera's measured period, 0.1 s at most.
        accept_within: An image this close is taken without waiting for a closer one.
        max_wait: Seconds after the reference's arrival that a trigger waits; 0: until what is not
            there is late by what it used to be, 0.2 s at most.
        trigger_interval: Seconds between triggers; 0 takes every reference message.
        queue: Images kept per camera, and triggers kept waiting, at least.
        longest_queue: The same at most, where more are wanted: of fast sensors, of references
            that come late, or that wait for long.
    """

    cameras: tuple[str, ...]
    offsets: Mapping[str, float] = field(default_factory=dict)
    tolerance: float = 0.0
    accept_within: float = 0.02
    max_wait: float = 0.0
    trigger_interval: float = 0.0
    queue: int = 15
    longest_queue: int = 120

    def longest_wait(self, sensor: str = "") -> float:
        """Return the seconds that a trigger of a sensor waits at most.

        Where nobody says, images that by their offset come after it are given that time, too.
        """
        own = self.offsets.get(sensor, 0.0)
        after = max((self.offsets.get(name, 0.0) - own for name in self.cameras), default=0.0)
        return self.max_wait or LONGEST_WAIT + max(after, 0.0)

    def room(self, sensor: str, period: float) -> int:
        """Return how many triggers of a sensor may wait.

        Args:
            sensor: Whose messages make them.
            period: Seconds between its messages; 0 while that is not known.
        """
        if not period:
            return self.queue
        within = math.ceil(ROOM * self.longest_wait(sensor) / period)
        return max(self.queue, min(within, self.longest_queue))
