"""Things that move: a shape, and where it is at a time."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from effocc_ros.simulation.raycast import Surface
from effocc_ros.simulation.trajectory import planar


class Motion(Protocol):
    """Anything with a pose at a time."""

    def pose(self, time: float) -> NDArray[np.float64]:
        """Return the (4, 4) pose in the map at ``time`` in seconds."""


@dataclass(frozen=True)
class Walk:
    """Straight motion from a place at a constant velocity.

    Attributes:
        start: x, y, z at time 0 in metres.
        velocity: x, y in metres per second.
    """

    start: tuple[float, float, float]
    velocity: tuple[float, float]

    def pose(self, time: float) -> NDArray[np.float64]:
        """Return the (4, 4) pose in the map at ``time`` in seconds."""
        x, y, z = self.start
        vx, vy = self.velocity
        return planar(x + vx * time, y + vy * time, float(np.arctan2(vy, vx)), z)


@dataclass(frozen=True)
class Agent:
    """A moving thing.

    Attributes:
        shapes: Its surfaces over one cycle of its gait; a rigid thing has one.
        motion: Its path.
        cycle: Seconds of one cycle of its gait.
    """

    shapes: tuple[Surface, ...]
    motion: Motion
    cycle: float = 1.0

    def at(self, time: float) -> tuple[Surface, NDArray[np.float64]]:
        """Return shape and (4, 4) pose at ``time`` in seconds."""
        phase = int(np.floor((time / self.cycle) * len(self.shapes))) % len(self.shapes)
        return self.shapes[phase], self.motion.pose(time)
