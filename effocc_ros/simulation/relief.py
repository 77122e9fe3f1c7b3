# SPDX-License-Identifier: Apache-2.0
"""How high the ground lies: hills under the street, and the fall across it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from effocc_ros.simulation.section import LAND, Section


@dataclass(frozen=True)
class Relief:
    """Heights of the ground, before kerbs.

    Attributes:
        waves: (K, 4) long waves in the map: amplitude, wave numbers along x and y, phase.
        bumps: (K, 4) short waves of the yards, likewise.
        fall: (2, M) heights over the distance to the left of the centre line.
    """

    waves: NDArray[np.float64]
    bumps: NDArray[np.float64]
    fall: NDArray[np.float64]

    def hills(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Return the height of the long waves at places of the map, metres."""
        return _sum(self.waves, x, y)

    def rough(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Return the height of the short waves."""
        return _sum(self.bumps, x, y)

    def across(self, d: ArrayLike) -> NDArray[np.float64]:
        """Return the height that a distance from the centre line adds."""
        return np.interp(d, self.fall[0], self.fall[1])


def _sum(waves: NDArray, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    amplitude, kx, ky, phase = waves.T
    x, y = np.asarray(x, np.float64)[..., None], np.asarray(y, np.float64)[..., None]
    return np.sin(kx * x + ky * y + phase) @ amplitude


def draw_relief(rng: np.random.Generator, section: Section) -> Relief:
    """Draw hills with grades up to about 5 %, and falls across the street of about 2 %."""
    count = 5
    length = np.exp(rng.uniform(np.log(80.0), np.log(350.0), count))
    heading = rng.uniform(0, 2 * np.pi, count)
    number = 2 * np.pi / length
    share = rng.dirichlet(np.ones(count))
    grade = 0.065 * rng.uniform(0.05, 1.0)  # if all waves agreed, which they seldom do
    waves = np.column_stack(
        [
            grade * share / number,
            number * np.cos(heading),
            number * np.sin(heading),
            rng.uniform(0, 2 * np.pi, count),
        ]
    )
    bumps = np.column_stack(
        [
            rng.uniform(0.05, 0.25, 4) * rng.uniform(0.2, 1.2),
            rng.uniform(0.08, 0.3, (4, 2)) * rng.choice([-1, 1], (4, 2)),
            rng.uniform(0, 2 * np.pi, 4),
        ]
    )
    return Relief(waves, bumps, _draw_fall(rng, section))


def _draw_fall(rng: np.random.Generator, section: Section) -> NDArray[np.float64]:
    tilt = rng.normal(0, 0.012)  # to one side
    crown = rng.uniform(0.0, 0.025)  # and from the middle to both
    d, z = [0.0], [0.0]
    for sign in (-1, 1):
        edge = section.half * (sign * tilt - crown)
        walk = edge + (section.walk - section.half) * (rng.uniform(0.0, 0.025) + sign * tilt)
        reach = section.walk + rng.uniform(6.0, 25.0)
        yard = walk + (reach - section.walk) * rng.normal(0.005, 0.02)
        d += [sign * section.half, sign * section.walk, sign * reach, sign * LAND]
        z += [edge, walk, yard, yard + (LAND - reach) * rng.normal(0, 0.01)]
    order = np.argsort(d)
    return np.array([np.array(d)[order], np.array(z)[order]])
