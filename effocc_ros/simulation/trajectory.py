"""Where things are at a time."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.simulation.road import CenterLine


def planar(x: float, y: float, yaw: float, z: float = 0.0) -> NDArray[np.float64]:
    """Build the (4, 4) transform of a place and a heading."""
    cosine, sine = math.cos(yaw), math.sin(yaw)
    return np.array([[cosine, -sine, 0, x], [sine, cosine, 0, y], [0, 0, 1, z], [0, 0, 0, 1.0]])


@dataclass(frozen=True)
class LaneMotion:
    """Motion along the road at a speed that swings smoothly around its mean.

    Attributes:
        line: The road's centre line.
        start: Arc length at time 0, metres.
        offset: Distance to the left of the centre line, metres.
        speed: Mean speed along the line in metres per second; negative drives towards smaller s.
        swing: Share of the speed by which it swings, below 1.
        period: Period of the swing, seconds.
        height: Height above the ground, metres.
    """

    line: CenterLine
    start: float
    offset: float
    speed: float
    swing: float = 0.0
    period: float = 8.0
    height: float = 0.0

    def pose(self, time: float) -> NDArray[np.float64]:
        """Return the (4, 4) pose in the map at ``time`` in seconds."""
        rate = 2 * math.pi / self.period
        travelled = self.speed * (time + self.swing * (1 - math.cos(rate * time)) / rate)
        s = self.start + travelled
        x, y, yaw = self.line.pose(s, self.offset).tolist()
        return planar(x, y, yaw + (math.pi if self.speed < 0 else 0.0), self.height)
