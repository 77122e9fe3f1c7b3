# SPDX-License-Identifier: Apache-2.0
"""Houses: walls with windows, ground floors, roofs, cornices, balconies."""

import numpy as np

from effocc_ros.simulation import classes as c
from effocc_ros.simulation.mesh import Mesh, Paint, box, concatenate, quads

FLOOR, BAY = 3.2, 3.0
PLASTER = (
    (1.0, 0.98, 0.92),
    (0.95, 0.82, 0.60),
    (0.80, 0.86, 0.92),
    (0.93, 0.70, 0.58),
    (0.78, 0.85, 0.72),
)


def _walls(x0, x1, y0, y1, z0, z1, paint: Paint, shift: tuple[float, float]) -> Mesh:
    """Four walls; texture bays are counted from each wall's lower left corner."""
    corner = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float)
    walls, uv = [], []
    for k in range(4):
        (ax, ay), (bx, by) = corner[k], corner[(k + 1) % 4]
        width = float(np.hypot(bx - ax, by - ay))
        stretch = max(1, round(width / BAY)) * BAY / width  # whole bays only
        u0, v0 = shift
        walls.append([[ax, ay, z0], [bx, by, z0], [bx, by, z1], [ax, ay, z1]])
        u1, v1 = u0 + width * stretch, v0 + z1 - z0
        uv.append([[u0, v0], [u1, v0], [u1, v1], [u0, v1]])
    return quads(walls, paint, uv)


def house(rng: np.random.Generator, width: float, depth: float, floors: int) -> Mesh:
    """Build a house whose front is the wall at y = 0, with x from 0 to width and y going back.

    Args:
        rng: Picks materials and details.
        width: Length of the front in metres.
        depth: Depth in metres.
        floors: Number of storeys.
    """
    kind = str(rng.choice(["brick", "plaster", "office", "loft"], p=[0.3, 0.35, 0.17, 0.18]))
    tint = PLASTER[rng.integers(len(PLASTER))] if kind in ("plaster",) else (1.0, 1.0, 1.0)
    tint = tuple(np.asarray(tint) * rng.uniform(0.8, 1.1))
    wall = Paint(c.MANMADE, kind, tint)
    shift = (BAY * rng.integers(8), FLOOR * rng.integers(8))
    low = 4.0 if floors > 1 and rng.random() < 0.55 else 0.0
    top = low + FLOOR * (floors - (low > 0))
    parts = [_walls(0, width, 0, depth, low - 0.8 * (low == 0), top, wall, shift)]
    if low:
        shop = Paint(c.MANMADE, "shops", tuple(rng.uniform(0.7, 1.3) * np.ones(3)))
        parts.append(_walls(0, width, 0, depth, -0.6, low, shop, (6.0 * rng.integers(4), -0.6)))
        ledge = Paint(c.MANMADE, "concrete")
        parts.append(box((width / 2, -0.12, low), (width + 0.1, 0.3, 0.22), ledge, True))
    if floors <= 3 and rng.random() < 0.7:
        parts.append(_gable(width, depth, top, rng.uniform(0.28, 0.42), wall))
    else:
        trim = Paint(c.MANMADE, "concrete", (0.9, 0.9, 0.9))
        parts.append(
            box((width / 2, depth / 2, top + 0.2), (width + 0.5, depth + 0.5, 0.4), trim, True)
        )
        for _ in range(int(rng.integers(0, 3))):
            at = rng.uniform(0.2, 0.8, 2) * [width, depth]
            parts.append(box((*at, top + 1.0), (2.4, 2.0, 1.6), trim))
    if kind != "office" and floors > 2 and rng.random() < 0.5:
        parts += _balconies(rng, width, low, floors - (low > 0))
    return concatenate(parts)


def _gable(width: float, depth: float, z: float, slope: float, wall: Paint) -> Mesh:
    """A saddle roof with its ridge along the front."""
    over, rise = 0.5, slope * depth
    ridge, eave = z + rise, z - over * 2 * slope
    tiles = Paint(c.MANMADE, "roof")
    x0, x1, y0, ym, y1 = -over, width + over, -over, depth / 2, depth + over
    slopes = [
        [[x0, y0, eave], [x1, y0, eave], [x1, ym, ridge], [x0, ym, ridge]],
        [[x1, y1, eave], [x0, y1, eave], [x0, ym, ridge], [x1, ym, ridge]],
    ]
    under = [[q[3], q[2], q[1], q[0]] for q in (np.array(s) - [0, 0, 0.08] for s in slopes)]
    ends = [
        [[0, depth, z], [0, 0, z], [0, ym, ridge - 0.1], [0, ym, ridge - 0.1]],
        [[width, 0, z], [width, depth, z], [width, ym, ridge - 0.1], [width, ym, ridge - 0.1]],
    ]
    chimney = box((0.3 * width, 0.62 * depth, ridge), (0.8, 0.6, 1.6), Paint(c.MANMADE, "brick"))
    plain = Paint(c.MANMADE, "plain", tuple(0.35 * np.asarray(wall.tint)))
    return concatenate([quads(slopes, tiles), quads(under, plain), quads(ends, plain), chimney])


def _balconies(rng, width: float, low: float, floors: int) -> list[Mesh]:
    rail = Paint(c.MANMADE, tint=(0.06, 0.065, 0.07))
    slab = Paint(c.MANMADE, "concrete")
    bays = max(1, round(width / BAY))
    parts = []
    for bay in range(int(rng.integers(0, 2)), bays, 2):
        x = (bay + 0.5) * width / bays
        for floor in range(1 if low == 0 else 0, floors):
            z = low + FLOOR * floor + 0.05
            parts.append(box((x, -0.5, z), (2.2, 1.0, 0.14), slab, True))
            parts.append(box((x, -0.98, z + 0.55), (2.2, 0.05, 0.9), rail, True))
    return parts
