# SPDX-License-Identifier: Apache-2.0
"""The centre line of a road and the strip of land along it."""

from dataclasses import dataclass
from functools import cached_property

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
        place = np.asarray(s, np.float64) / self.step
        before = np.clip(place, 0, last - 1).astype(np.intp)
        share = (place - before)[..., None]  # the line goes on straight beyond its ends
        share = share * [1, 1, 0] + np.clip(share, 0, 1) * [0, 0, 1]
        return (1 - share) * self.samples[before] + share * self.samples[before + 1]

    def heading(self, s: ArrayLike) -> NDArray[np.float64]:
        """Return the heading in radians at arc length ``s``."""
        return self._at(s)[..., 2]

    def curvature(self, s: ArrayLike) -> NDArray[np.float64]:
        """Return the curvature in 1/m at arc length ``s``, positive to the left."""
        return np.interp(s, self._arc, self._curvature)

    @cached_property
    def _arc(self) -> NDArray[np.float64]:
        return self.step * np.arange(len(self.samples))

    @cached_property
    def _curvature(self) -> NDArray[np.float64]:
        return np.gradient(self.samples[:, 2], self.step)

    @cached_property
    def _reach(self) -> NDArray[np.float64]:
        """(2, N) how far to the right and to the left of a sample it is the nearest one.

        The middle of a circle through another sample that touches the line at this one.
        """
        places, heading = self.samples[:, :2], self.samples[:, 2]
        normal = np.column_stack([-np.sin(heading), np.cos(heading)])
        away = places[None] - places[:, None]
        square, left = (away**2).sum(axis=2), np.einsum("ijk,ik->ij", away, normal)
        with np.errstate(divide="ignore", invalid="ignore"):
            radius = square / (2 * left)
        return np.stack(
            [np.where(sign * radius > 0, sign * radius, np.inf).min(axis=1) for sign in (-1, 1)]
        )

    def reach(self, s: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
        """Return how far to the side of ``d`` the land belongs to arc length ``s``, metres."""
        s, d = np.broadcast_arrays(np.asarray(s, float), np.asarray(d, float))
        right, left = (np.interp(s, self._arc, np.minimum(row, 1e4)) for row in self._reach)
        return np.where(d < 0, right, left)

    def within(self, s: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
        """Return ``d``, cut where the inner side of a turn meets land of another arc length."""
        reach = self.reach(s, d)
        return np.clip(d, -reach, reach)

    def distance(self, places: NDArray) -> NDArray[np.float64]:
        """Return the distance (N,) of places (N, 2) from the line's samples, metres."""
        away = np.asarray(places)[:, None] - self.samples[None, :, :2]
        return np.sqrt((away**2).sum(axis=2).min(axis=1))

    def point(self, s: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
        """Return the place (..., 2) in metres of the coordinates (s, d)."""
        return self.pose(s, d)[..., :2]

    def pose(self, s: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
        """Return x, y in metres and heading in radians, (..., 3), of the coordinates (s, d)."""
        x, y, heading = np.moveaxis(self._at(s), -1, 0)
        places = (x - d * np.sin(heading), y + d * np.cos(heading), heading)
        return np.stack(np.broadcast_arrays(*places), axis=-1)


def curved_line(s: ArrayLike, curvature: ArrayLike) -> CenterLine:
    """Integrate a line through the origin, heading along x there.

    Args:
        s: (N,) arc lengths at equal steps, from 0.
        curvature: (N,) in 1/m.
    """
    turn = np.asarray(curvature, np.float64)
    step = float(s[1] - s[0])
    heading = np.concatenate([[0.0], np.cumsum((turn[1:] + turn[:-1]) / 2 * step)])
    middle = (heading[1:] + heading[:-1]) / 2
    places = np.concatenate(
        [np.zeros((1, 2)), np.cumsum(step * np.stack([np.cos(middle), np.sin(middle)], 1), 0)]
    )
    return CenterLine(step, np.column_stack([places, heading]))
