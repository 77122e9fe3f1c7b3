# SPDX-License-Identifier: Apache-2.0
"""Where things are at a time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from effocc_ros.simulation.ground import Ground

UPRIGHT = 0.4
"""Things shorter than this, metres, stand upright on a slope."""


def planar(x: float, y: float, yaw: float, z: float = 0.0) -> NDArray[np.float64]:
    """Build the (4, 4) transform of a place and a heading."""
    cosine, sine = math.cos(yaw), math.sin(yaw)
    return np.array([[cosine, -sine, 0, x], [sine, cosine, 0, y], [0, 0, 1, z], [0, 0, 0, 1.0]])


@dataclass(frozen=True)
class Motion:
    """Motion on the ground of a street: along it, across it, or both.

    Speed along the road swings smoothly around its mean, and the path weaves around its line.
    Numbers may be arrays (N,): then ``course`` and ``places`` tell of N things at one time.

    Attributes:
        ground: What it moves on.
        start: Arc length at time 0, metres.
        offset: Distance to the left of the centre line at time 0, metres.
        speed: Mean speed along the line in metres per second; negative drives towards smaller s.
        across: Speed to the left in metres per second.
        band: Least and greatest distance to the left; there it stops.
        swing: Share of the speed by which it swings, below 1.
        period: Period of the swing, seconds.
        weave: How far it weaves to either side, metres.
        wave: Length of road of one weave, metres.
        turn: Heading against that of the road when it does not weave, radians.
        length: Length of what touches the ground, metres.
        sway: Greatest pitch and roll of the body on its springs, radians.
    """

    ground: Ground
    start: float
    offset: float
    speed: float = 0.0
    across: float = 0.0
    band: tuple[float, float] = (-math.inf, math.inf)
    swing: float = 0.0
    period: float = 8.0
    weave: float = 0.0
    wave: float = 60.0
    turn: float = 0.0
    length: float = 2.8
    sway: tuple[float, float] = (0.0, 0.0)

    def course(self, time: ArrayLike) -> NDArray[np.float64]:
        """Return arc length, distance to the left and heading against the road, (..., 3)."""
        time = np.asarray(time, np.float64)
        rate = 2 * math.pi / self.period
        s = self.start + self.speed * (time + self.swing * (1 - np.cos(rate * time)) / rate)
        number = 2 * math.pi / self.wave
        d = np.clip(self.offset + self.across * time, *self.band)
        d = d + self.weave * np.sin(number * (s + self.period * 7.0))
        drift = self.weave * number * np.cos(number * (s + self.period * 7.0))
        return np.stack([s, d, np.arctan(drift) + self.turn], axis=-1)

    def travelled(self, time: float) -> float:
        """Return the way in metres since time 0."""
        s, d, _ = self.course(time)
        return math.hypot(s - self.start, d - self.offset)

    def places(self, time: ArrayLike) -> NDArray[np.float64]:
        """Return x, y in metres and heading in radians in the map, (..., 3)."""
        s, d, turn = np.moveaxis(self.course(time), -1, 0)
        return self.ground.line.pose(s, d) + np.stack([0 * s, 0 * s, turn], axis=-1)

    def pose(self, time: float) -> NDArray[np.float64]:
        """Return the (4, 4) pose in the map at ``time`` in seconds."""
        s, d, turn = self.course(time)
        if self.length < UPRIGHT:
            x, y, yaw = self.ground.line.pose(s, d).tolist()
            return planar(x, y, yaw + turn, float(self.ground.surface(s, d)))
        half = self.length / 2
        low, high = (-half, -0.7), (half, 0.7)
        pose = self.ground.stand(float(s), float(d), float(turn), low, high, rigid=True)
        if any(self.sway):
            pose[:3, :3] = pose[:3, :3] @ self._springs(time)
        return pose

    @classmethod
    def gather(cls, motions: Sequence["Motion"]) -> "Motion":
        """Put motions on one ground together."""
        names = [field.name for field in fields(cls) if field.name not in ("ground", "band")]
        numbers = {name: np.array([getattr(m, name) for m in motions]) for name in names}
        band = tuple(np.array([m.band for m in motions]).T.reshape(2, -1))
        return cls(motions[0].ground, band=band, **numbers)

    def _springs(self, time: float) -> NDArray[np.float64]:
        """Rotation (3, 3) of the body against the wheels."""
        rate = 2 * math.pi / self.period
        pitch = self.sway[0] * math.sin(1.9 * rate * time + self.start)
        roll = self.sway[1] * math.sin(1.3 * rate * time + 2 * self.start)
        cp, sp, cr, sr = math.cos(pitch), math.sin(pitch), math.cos(roll), math.sin(roll)
        return np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]]) @ np.array(
            [[1, 0, 0], [0, cr, -sr], [0, sr, cr]]
        )
