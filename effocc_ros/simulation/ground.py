# SPDX-License-Identifier: Apache-2.0
"""The ground of a street: carriageway, crossings, kerbs, sidewalks, yards."""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from effocc_ros.simulation import classes as c
from effocc_ros.simulation.mesh import Mesh, Paint, concatenate, grid, quads
from effocc_ros.simulation.relief import Relief, draw_relief
from effocc_ros.simulation.road import CenterLine
from effocc_ros.simulation.section import LAND, LOT, Section

STEP = 4.0
"""Greatest edge of the ground's triangles, metres."""

ASPHALT = Paint(c.DRIVEABLE_SURFACE, "asphalt")
ROAD = Paint(c.DRIVEABLE_SURFACE, "road")
ZEBRA = Paint(c.DRIVEABLE_SURFACE, "zebra")
PAVERS = Paint(c.SIDEWALK, "pavers")
KERBSTONE = Paint(c.SIDEWALK, "concrete", (1.1, 1.1, 1.1))
GRASS = Paint(c.TERRAIN, "grass")
PLAZA = Paint(c.OTHER_FLAT, "cobble")
YARDS = {"grass": GRASS, "plaza": PLAZA, "lot": ASPHALT}

ROAD_TILE = 15.0
"""Width of the road's texture, metres."""

KERBSTONES = 0.2
"""Width of the kerb, metres."""


@dataclass(frozen=True)
class Block:
    """A stretch of street between two junctions.

    Attributes:
        start: Arc length where it begins, metres.
        end: Arc length where it ends.
        verge: Grass strips between kerb and sidewalk, at the right and at the left side.
        yards: What lies behind the sidewalks, right and left: a key of ``YARDS``.
        houses: Whether houses stand there, right and left.
    """

    start: float
    end: float
    verge: tuple[bool, bool]
    yards: tuple[str, str]
    houses: tuple[bool, bool]


@dataclass(frozen=True)
class Ground:
    """Which surface lies where and how high, in the coordinates (s, d) of the centre line.

    Attributes:
        line: The centre line.
        section: Widths across the street.
        relief: Heights.
        blocks: In order of s; the gaps between them are junctions with a crossing street.
    """

    line: CenterLine
    section: Section
    relief: Relief
    blocks: tuple[Block, ...]

    def block_at(self, s: float) -> Block | None:
        """Return the block at arc length ``s``, None on a junction."""
        return next((b for b in self.blocks if b.start <= s < b.end), None)

    def elevation(self, s: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
        """Return the height of the ground below kerbs and the bumps of yards, metres."""
        x, y = np.moveaxis(self.line.point(s, d), -1, 0)
        return self.relief.hills(x, y) + self.relief.across(d)

    def _deep(self, s: ArrayLike) -> NDArray[np.float64]:
        """Distance to the end of the block, negative on junctions."""
        s = np.asarray(s, np.float64)
        gap = np.full(s.shape, -1.0)
        for block in self.blocks:
            gap = np.maximum(gap, np.minimum(s - block.start, block.end - s))
        return gap

    def yard(self, s: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
        """Return the height that yards add: none near streets, waves far from them."""
        s, d = np.broadcast_arrays(np.asarray(s, float), np.asarray(d, float))
        far = np.clip((np.abs(d) - self.section.walk - 2.5) / 10.0, 0, 1)
        far = far * np.clip((self._deep(s) - self.section.corner) / 6.0, 0, 1)
        if not np.any(far):
            return far
        x, y = np.moveaxis(self.line.point(s, d), -1, 0)
        return far * self.relief.rough(x, y)

    def surface(self, s: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
        """Return the height of what one stands on: carriageway, sidewalk or yard."""
        raised = (np.abs(d) > self.section.half) & (self._deep(s) > 0)
        return self.elevation(s, d) + self.section.kerb * raised + self.yard(s, d)

    def stand(
        self,
        s: float,
        d: float,
        turn: float = 0.0,
        low: ArrayLike = (-1.0, -0.6),
        high: ArrayLike = (1.0, 0.6),
        rigid: bool = False,
        kerb: bool = False,
    ) -> NDArray[np.float64]:
        """Return the (4, 4) transform that puts a thing on the ground.

        Args:
            s: Arc length, metres.
            d: Distance to the left of the centre line, metres.
            turn: Heading of its x axis against that of the road, radians.
            low: Least x and y of what touches the ground, in its frame.
            high: Greatest x and y of it.
            rigid: Tilt it to the ground as a whole; otherwise upright lines stay upright.
            kerb: It stands on the sidewalk or a yard, whatever is next to it.
        """
        (x0, y0), (x1, y1) = low, high
        xm, ym = (x0 + x1) / 2, (y0 + y1) / 2
        corners = np.array([[x0, ym], [x1, ym], [xm, y0], [xm, y1], [xm, ym], [0, 0]])
        cosine, sine = math.cos(turn), math.sin(turn)
        beside = d + sine * corners[:, 0] + cosine * corners[:, 1]
        stretch = np.maximum(1.0 - float(self.line.curvature(s)) * beside, 0.3)
        along = s + (cosine * corners[:, 0] - sine * corners[:, 1]) / stretch
        places = self.line.pose(along, beside)
        height = self.relief.hills(places[:5, 0], places[:5, 1]) + self.relief.across(beside[:5])
        if kerb:
            height += self.yard(along[:5], beside[:5]) + self.section.kerb
        gx = float(height[1] - height[0]) / (x1 - x0)
        gy = float(height[3] - height[2]) / (y1 - y0)
        z = float(height.mean()) - gx * xm - gy * ym
        x, y, yaw = places[5].tolist()
        return _tilted(x, y, z, yaw + turn, gx, gy, rigid)

    @cached_property
    def _knots(self) -> NDArray[np.float64]:
        """Distances from the centre line at which the ground has vertices, one side."""
        section = self.section
        ends = [0.0, *(far for _, far, *_ in section.strips()), section.half]
        ends += [section.half + KERBSTONES, section.verge, section.walk]
        reach = np.abs(self.relief.fall[0])
        ends += [*reach, section.walk + 2.5, section.walk + 12.5, section.walk + LOT, LAND]
        ends = np.unique(np.round(ends, 6))
        parts = [
            np.linspace(a, b, int(np.ceil((b - a) / STEP)) + 1)[:-1] for a, b in pairwise(ends)
        ]
        return np.append(np.concatenate(parts), LAND)

    def _across(self, d0: float, d1: float) -> NDArray[np.float64]:
        both = np.concatenate([-self._knots[:0:-1], self._knots])
        inside = both[(both > d0 + 1e-4) & (both < d1 - 1e-4)]
        return np.concatenate([[d0], inside, [d1]])

    def _sheet(self, s0, s1, d0, d1, z, paint: Paint, uv=(0.0, 0.0), **how):
        """A piece of ground; texture (u, v) = (d, s) + uv, or (s, d) + uv when swapped.

        With ``across`` the texture's u goes from one value to another between d0 and d1 (or s0
        and s1).
        """
        swap, bumpy, across = (how.get(k) for k in ("swap", "bumpy", "across"))
        s = np.linspace(s0, s1, max(2, int(np.ceil((s1 - s0) / STEP)) + 1))
        d = self._across(d0, d1)
        s, d = np.meshgrid(s, d)
        d = self.line.within(s, d)
        height = z + self.elevation(s, d) + (self.yard(s, d) if bumpy else 0.0)
        points = np.concatenate([self.line.point(s, d), height[..., None]], axis=-1)
        u, v = (s, d) if swap else (d, s)
        u = u + uv[0] if across is None else np.interp(u, (s0, s1) if swap else (d0, d1), across)
        # (d, s) spans a sheet that faces down; walked backwards along d it faces up.
        texture = np.stack([u, v + uv[1]], axis=-1)
        return grid(points[::-1], texture[::-1], paint)

    def _kerb(self, s: NDArray, d: NDArray) -> Mesh:
        """A vertical face of kerb height along a line of (s, d)."""
        d = self.line.within(s, d)
        low = np.column_stack([self.line.point(s, d), self.elevation(s, d)])
        high = low + np.array([0, 0, self.section.kerb])
        return quads(np.stack([low[:-1], low[1:], high[1:], high[:-1]], axis=1), KERBSTONE)

    def mesh(self) -> Mesh:
        """Build the triangles of the ground."""
        parts, corner = [], self.section.corner
        for block in self.blocks:
            first, last = block.start, block.end
            for s0, s1, near in (
                (first, first + corner, True),
                (first + corner, last - corner, False),
                (last - corner, last, True),
            ):
                parts += self._stretch(s0, s1, block, near)
        for before, after in pairwise(self.blocks):
            parts += self._junction(before.end, after.start)
        return concatenate(parts).without_slivers()

    def _stretch(self, s0, s1, block: Block, corner: bool) -> list[Mesh]:
        section, parts = self.section, []
        kerb, steps = section.kerb, np.linspace(s0, s1, int(np.ceil((s1 - s0) / STEP)) + 1)
        if corner:
            half = section.half
            parts.append(self._sheet(s0, s1, -half, half, 0.0, ZEBRA, (half, -s0)))
        for side, sign in enumerate((-1, 1)):

            def strip(near, far, z, paint, sign=sign, across=None, **how):
                low, high = sorted((sign * near, sign * far))
                if across is not None:
                    across = sorted(ROAD_TILE / 2 + sign * np.array(across))
                return self._sheet(s0, s1, low, high, z, paint, across=across, **how)

            if not corner:
                for near, far, u0, u1 in section.strips():
                    parts.append(strip(near, far, 0.0, ROAD, across=(u0, u1), uv=(0, -s0)))
            parts.append(self._kerb(steps, np.full(len(steps), sign * section.half)))
            parts.append(strip(section.half, section.half + KERBSTONES, kerb, KERBSTONE))
            grown = block.verge[side] and not corner
            verge = GRASS if grown else PAVERS
            parts.append(strip(section.half + KERBSTONES, section.verge, kerb, verge))
            parts.append(strip(section.verge, section.walk, kerb, PAVERS))
            if corner:
                parts.append(strip(section.walk, LAND, kerb, PAVERS))
                continue
            yard, lot = block.yards[side], section.walk + LOT
            parts.append(strip(section.walk, lot, kerb, YARDS[yard], bumpy=True))
            behind = GRASS if yard == "lot" else YARDS[yard]
            parts.append(strip(lot, LAND, kerb, behind, bumpy=True))
        return parts

    def _junction(self, s0: float, s1: float) -> list[Mesh]:
        section = self.section
        parts = [self._sheet(s0, s1, -section.half, section.half, 0.0, ASPHALT)]
        for sign in (-1, 1):
            near, far, land = sign * section.half, sign * section.walk, sign * LAND
            crossing, arm = sorted((near, far)), sorted((far, land))
            parts.append(self._sheet(s0, s1, *crossing, 0.0, ZEBRA, (-s0, 0), swap=True))
            across = (0.0, ROAD_TILE)
            parts.append(self._sheet(s0, s1, *arm, 0.0, ROAD, swap=True, across=across))
            edge = self._across(*sorted((near, land)))
            for s in (s0, s1):
                parts.append(self._kerb(np.full(len(edge), s), edge))
        return parts


def _tilted(
    x: float, y: float, z: float, yaw: float, gx: float, gy: float, rigid: bool
) -> NDArray[np.float64]:
    """Build the (4, 4) transform of a place on a plane of slope ``gx`` ahead, ``gy`` to the left.

    A rigid thing is turned; another is sheared, so that what is upright stays upright.
    """
    forward, left, up = (1.0, 0.0, gx), (0.0, 1.0, gy), (0.0, 0.0, 1.0)
    if rigid:
        along, normal = math.hypot(1.0, gx), math.sqrt(1.0 + gx * gx + gy * gy)
        forward, up = (1 / along, 0.0, gx / along), (-gx / normal, -gy / normal, 1 / normal)
        left = (
            up[1] * forward[2] - up[2] * forward[1],
            up[2] * forward[0] - up[0] * forward[2],
            up[0] * forward[1] - up[1] * forward[0],
        )
    c, s = math.cos(yaw), math.sin(yaw)
    axes = (forward, left, up)
    return np.array(
        [
            [*(c * a[0] - s * a[1] for a in axes), x],
            [*(s * a[0] + c * a[1] for a in axes), y],
            [*(a[2] for a in axes), z],
            [0, 0, 0, 1.0],
        ]
    )


def plan_ground(
    rng: np.random.Generator, line: CenterLine, section: Section, junctions: list[float]
) -> Ground:
    """Divide a street into blocks and decide what their ground is.

    Args:
        rng: Source of all choices.
        line: The centre line.
        section: Widths across the street.
        junctions: Arc lengths of the crossing streets' middles.
    """
    starts = [0.0] + [s + section.cross_half for s in junctions]
    ends = [s - section.cross_half for s in junctions] + [line.length]
    built = rng.choice([0.15, 0.6, 0.95])
    blocks = tuple(
        Block(
            a,
            b,
            tuple(rng.random(2) < 0.4),
            tuple(str(y) for y in rng.choice(list(YARDS), 2, p=[0.62, 0.2, 0.18])),
            tuple(rng.random(2) < built),
        )
        for a, b in zip(starts, ends, strict=True)
    )
    return Ground(line, section, draw_relief(rng, section), blocks)
