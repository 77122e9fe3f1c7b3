"""The centre line of a road and the strip of land along it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class CenterLine:
    """A smooth line in the plane, given by its heading at equal steps.

    Points beside it have the coordinates (s, d): arc length along the line and distance to its
    left, both in metres.

    Attributes:
        step: Distance between samples in metres.
        samples: (N, 3) x, y in metres and heading in radians.
    """

    step: float
    samples: NDArray[np.float64]

    @property
    def length(self) -> float:
        """Length of the line in metres."""
        return self.step * (len(self.samples) - 1)

    def _at(self, s: ArrayLike) -> NDArray[np.float64]:
        last = len(self.samples) - 1
        place = np.minimum(np.maximum(np.asarray(s, np.float64) / self.step, 0.0), last)
        before = np.minimum(place.astype(np.intp), last - 1)
        share = (place - before)[..., None]
        return (1 - share) * self.samples[before] + share * self.samples[before + 1]

    def heading(self, s: ArrayLike) -> NDArray[np.float64]:
        """Return the heading in radians at arc length ``s``."""
        return self._at(s)[..., 2]

    def point(self, s: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
        """Return the place (..., 2) in metres of the coordinates (s, d)."""
        return self.pose(s, d)[..., :2]

    def pose(self, s: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
        """Return x, y in metres and heading in radians, (..., 3), of the coordinates (s, d)."""
        x, y, heading = np.moveaxis(self._at(s), -1, 0)
        places = (x - d * np.sin(heading), y + d * np.cos(heading), heading)
        return np.stack(np.broadcast_arrays(*places), axis=-1)


def curved_line(curvature: ArrayLike, length: float, step: float = 1.0) -> CenterLine:
    """Integrate a line through the origin, heading along x there.

    Args:
        curvature: Knots of the curvature in 1/m, spread evenly over the length.
        length: Length in metres.
        step: Sampling distance in metres.
    """
    s = np.arange(0.0, length + step, step)
    knots = np.linspace(0, length, len(np.atleast_1d(curvature)))
    turn = np.interp(s, knots, np.atleast_1d(curvature))
    heading = np.concatenate([[0.0], np.cumsum((turn[1:] + turn[:-1]) / 2 * step)])
    middle = (heading[1:] + heading[:-1]) / 2
    places = np.concatenate(
        [np.zeros((1, 2)), np.cumsum(step * np.stack([np.cos(middle), np.sin(middle)], 1), 0)]
    )
    return CenterLine(step, np.column_stack([places, heading]))
