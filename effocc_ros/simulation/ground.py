"""The ground of a street: carriageway, crossings, kerbs, sidewalks, yards."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.simulation import classes as c
from effocc_ros.simulation.mesh import Mesh, Paint, concatenate, grid, quads
from effocc_ros.simulation.road import CenterLine

# From the centre line outwards, metres: where a lane, a cycle lane, the carriageway with its
# parking bays, the verge, the sidewalk and the land end.
LANE = 3.5
CYCLE_LANE = 5.0
ROAD_HALF = 7.5
VERGE = 9.0
WALK = 11.5
LAND = 75.0

KERB = 0.10
"""Height of the sidewalk over the carriageway, metres."""

CORNER = WALK - ROAD_HALF
"""Length of a street that the sidewalk of a crossing street takes, metres."""

ASPHALT = Paint(c.DRIVEABLE_SURFACE, "asphalt")
ROAD = Paint(c.DRIVEABLE_SURFACE, "road")
ZEBRA = Paint(c.DRIVEABLE_SURFACE, "zebra")
PAVERS = Paint(c.SIDEWALK, "pavers")
KERBSTONE = Paint(c.SIDEWALK, "concrete", (1.1, 1.1, 1.1))
GRASS = Paint(c.TERRAIN, "grass")
PLAZA = Paint(c.OTHER_FLAT, "cobble")


@dataclass(frozen=True)
class Block:
    """A stretch of street between two junctions.

    Attributes:
        start: Arc length where it begins, metres.
        end: Arc length where it ends.
        verge: Grass strips between kerb and sidewalk, at the right and at the left side.
        plaza: Paved instead of grown yards, right and left.
    """

    start: float
    end: float
    verge: tuple[bool, bool]
    plaza: tuple[bool, bool]


@dataclass(frozen=True)
class Ground:
    """Which surface lies where, in the coordinates (s, d) of the centre line.

    Attributes:
        line: The centre line.
        blocks: In order of s; the gaps between them are junctions with a crossing street.
        bumps: (K, 5) waves of the yards: amplitude, two wave numbers, two phases.
    """

    line: CenterLine
    blocks: tuple[Block, ...]
    bumps: NDArray[np.float64]

    def block_at(self, s: float) -> Block | None:
        """Return the block at arc length ``s``, None on a junction."""
        return next((b for b in self.blocks if b.start <= s < b.end), None)

    def height(self, s: NDArray, d: NDArray) -> NDArray[np.float64]:
        """Height of yards over the sidewalk's level: flat near streets, wavy far from them."""
        s, d = np.broadcast_arrays(np.asarray(s, float), np.asarray(d, float))
        gap = np.full(s.shape, -1.0)
        for block in self.blocks:
            gap = np.maximum(gap, np.minimum(s - block.start, block.end - s) - CORNER)
        far = np.clip((np.abs(d) - WALK - 2.5) / 10.0, 0, 1) * np.clip(gap / 6.0, 0, 1)
        wave = sum(
            a * np.sin(ks * s + ps) * np.sin(kd * d + pd) for a, ks, kd, ps, pd in self.bumps
        )
        return far * wave

    def mesh(self) -> Mesh:
        """Build the triangles of the ground."""
        parts = []
        for block in self.blocks:
            first, last = block.start, block.end
            for s0, s1, corner in (
                (first, first + CORNER, True),
                (first + CORNER, last - CORNER, False),
                (last - CORNER, last, True),
            ):
                parts += self._section(s0, s1, block, corner)
        for before, after in zip(self.blocks[:-1], self.blocks[1:], strict=True):
            parts += self._junction(before.end, after.start)
        return concatenate(parts)

    def _sheet(self, s0, s1, d0, d1, z, paint: Paint, uv=(0.0, 0.0), swap=False, bumpy=False):
        """A piece of ground; texture (u, v) = (d, s) + uv, or (s, d) + uv when swapped."""
        s = np.linspace(s0, s1, max(2, int(np.ceil((s1 - s0) / 4.0)) + 1))[None, :]
        d = np.linspace(d0, d1, max(2, int(np.ceil((d1 - d0) / (5.0 if bumpy else 80.0))) + 1))[
            :, None
        ]
        s, d = np.broadcast_arrays(s, d)
        height = z + (self.height(s, d) if bumpy else 0 * s)
        points = np.concatenate([self.line.point(s, d), height[..., None]], axis=-1)
        texture = np.stack([s + uv[0], d + uv[1]] if swap else [d + uv[0], s + uv[1]], axis=-1)
        # (d, s) spans a sheet that faces down; walked backwards along d it faces up.
        return grid(points[::-1], texture[::-1], paint)

    def _kerb(self, s: NDArray, d: NDArray, paint: Paint = KERBSTONE) -> Mesh:
        """A vertical face of kerb height along a line of (s, d)."""
        low = np.concatenate([self.line.point(s, d), np.zeros((len(s), 1))], axis=1)
        high = low + np.array([0, 0, KERB])
        return quads(np.stack([low[:-1], low[1:], high[1:], high[:-1]], axis=1), paint)

    def _section(self, s0, s1, block: Block, corner: bool) -> list[Mesh]:
        surface = ZEBRA if corner else ROAD
        parts = [self._sheet(s0, s1, -ROAD_HALF, ROAD_HALF, 0.0, surface, (ROAD_HALF, -s0))]
        steps = np.linspace(s0, s1, max(2, int(np.ceil((s1 - s0) / 4.0)) + 1))
        for side in (0, 1):
            sign = (-1, 1)[side]

            def strip(near, far, paint, bumpy=False, sign=sign):
                low, high = sorted((sign * near, sign * far))
                return self._sheet(s0, s1, low, high, KERB, paint, bumpy=bumpy)

            parts.append(self._kerb(steps, np.full(len(steps), sign * ROAD_HALF)))
            parts.append(strip(ROAD_HALF, ROAD_HALF + 0.2, KERBSTONE))
            grown = block.verge[side] and not corner
            parts.append(strip(ROAD_HALF + 0.2, VERGE, GRASS if grown else PAVERS))
            parts.append(strip(VERGE, WALK, PAVERS))
            yard = PAVERS if corner else PLAZA if block.plaza[side] else GRASS
            parts.append(strip(WALK, LAND, yard, bumpy=not corner))
        return parts

    def _junction(self, s0: float, s1: float) -> list[Mesh]:
        parts = [self._sheet(s0, s1, -ROAD_HALF, ROAD_HALF, 0.0, ASPHALT)]
        for sign in (-1, 1):
            near, far, land = sign * ROAD_HALF, sign * WALK, sign * LAND
            parts.append(self._sheet(s0, s1, *sorted((near, far)), 0.0, ZEBRA, (-s0, 0), True))
            parts.append(self._sheet(s0, s1, *sorted((far, land)), 0.0, ROAD, (-s0, 0), True))
            for s in (s0, s1):
                parts.append(self._kerb(np.full(2, s), np.array([near, land])))
        return parts


def plan_ground(rng: np.random.Generator, line: CenterLine, junctions: list[float]) -> Ground:
    """Divide a street into blocks and decide what their ground is.

    Args:
        rng: Source of all choices.
        line: The centre line.
        junctions: Arc lengths of the crossing streets' middles.
    """
    starts = [0.0] + [s + ROAD_HALF for s in junctions]
    ends = [s - ROAD_HALF for s in junctions] + [line.length]
    blocks = tuple(
        Block(a, b, tuple(rng.random(2) < 0.4), tuple(rng.random(2) < 0.25))
        for a, b in zip(starts, ends, strict=True)
    )
    bumps = np.column_stack(
        [rng.uniform(0.1, 0.3, 4), rng.uniform(0.08, 0.3, (4, 2)), rng.uniform(0, 6.28, (4, 2))]
    )
    return Ground(line, blocks, bumps)
