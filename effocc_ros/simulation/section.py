# SPDX-License-Identifier: Apache-2.0
"""The cross section of a street: how wide lanes, parking bays, verges and sidewalks are."""

from dataclasses import dataclass

import numpy as np

LAND = 70.0
"""Distance from the centre line at which the land ends, metres."""

LOT = 22.0
"""Depth of a parking lot behind the sidewalk, metres."""


@dataclass(frozen=True)
class Section:
    """Distances from the centre line outwards, metres; both sides are alike.

    Attributes:
        lane: Width of a lane.
        lanes: Lanes in each direction.
        cycle: Where the cycle lane beside them ends; ``lane * lanes`` when there is none.
        bay: Width of the parking bays, 0 when there are none.
        half: Where the carriageway ends.
        verge: Where the strip for trees and lamps ends.
        walk: Where the sidewalk ends.
        kerb: Height of the sidewalk over the carriageway.
        cross_half: Half the width of crossing streets.
    """

    lane: float
    lanes: int
    cycle: float
    bay: float
    half: float
    verge: float
    walk: float
    kerb: float
    cross_half: float

    @property
    def traffic(self) -> float:
        """Where the lanes end."""
        return self.lane * self.lanes

    @property
    def bay_middle(self) -> float:
        """Distance of parked vehicles from the centre line."""
        return self.half - self.bay / 2

    @property
    def corner(self) -> float:
        """Length of a street that the sidewalk of a crossing street takes."""
        return self.walk - self.half

    def strips(self) -> list[tuple[float, float, float, float]]:
        """Return strips of the carriageway, from the middle to the right or left kerb.

        Returns:
            near and far edge, and the places of the road's texture, counted from its middle, that
            lie there: 0..3.5 is a lane, 3.5..5 a cycle lane, 5..7.5 parking bays.
        """
        edges = [(k * self.lane, (k + 1) * self.lane, 0.0, 3.4) for k in range(self.lanes)]
        if self.cycle > self.traffic:
            edges.append((self.traffic, self.cycle, 3.42, 5.08))
        bays = self.half - self.bay
        if bays > self.cycle + 1e-6:
            edges.append((self.cycle, bays, 2.6, 3.2))
        if self.bay:
            edges.append((bays, self.half, 4.9, 7.5))
        return edges


def draw_section(rng: np.random.Generator) -> Section:
    """Draw a cross section, from a lane each way to an avenue."""
    lanes = int(rng.choice([1, 2], p=[0.65, 0.35]))
    lane = float(rng.uniform(2.95, 3.7) if lanes == 1 else rng.uniform(2.9, 3.4))
    cycle = lanes * lane + (rng.uniform(1.3, 1.8) if rng.random() < 0.4 else 0.0)
    bay = float(rng.uniform(2.15, 2.6)) if rng.random() < 0.6 else 0.0
    half = max(4.5, cycle + bay + rng.uniform(0.1, 0.6))
    if half > 10.0:  # an avenue keeps its lanes and gives up the bays
        bay, half = 0.0, cycle + rng.uniform(0.1, 0.6)
    verge = half + rng.uniform(0.7, 1.6)
    walk = verge + rng.uniform(0.9, 2.6)
    return Section(
        lane,
        lanes,
        float(cycle),
        bay,
        float(half),
        float(verge),
        float(walk),
        float(rng.uniform(0.05, 0.18)),
        float(rng.uniform(4.5, 8.5)),
    )
