# SPDX-License-Identifier: Apache-2.0
"""What stands beside a road, at the origin on z = 0, lengths in metres."""

from functools import lru_cache

import numpy as np

from effocc_ros.simulation import classes as c
from effocc_ros.simulation.mesh import Mesh, Paint, ball, box, concatenate, cylinder, loft, mapped
from effocc_ros.simulation.people import limb

STEEL = (0.20, 0.205, 0.21)


def tree(rng: np.random.Generator, height: float) -> Mesh:
    """Build a broad-leaved tree: a trunk, some boughs, a crown of rough balls."""
    green = rng.uniform([0.7, 0.75, 0.7], [1.35, 1.15, 1.1])
    if rng.random() < 0.15:
        green = np.array([2.6, 0.9, 0.6]) * rng.uniform(0.7, 1.1)
    bark, leaves = Paint(c.VEGETATION, "bark"), Paint(c.VEGETATION, "leaves", tuple(green))
    fork = 0.36 * height
    spread = rng.uniform(0.24, 0.32) * height
    parts = [cylinder((0, 0, -0.1), 0.028 * height, fork + 0.6, bark, 8, 0.7)]
    crown = height - fork
    for k in range(int(rng.integers(13, 18))):
        angle, share = 2.4 * k + rng.uniform(0, 0.6), rng.uniform(0, 1)
        out = spread * np.sin(np.pi * (0.18 + 0.74 * share)) * rng.uniform(0.55, 0.8)
        at = np.array(
            [out * np.cos(angle), out * np.sin(angle), fork + crown * (0.16 + 0.66 * share)]
        )
        if k % 3 == 0:
            parts.append(limb((0, 0, fork), at, 0.012 * height, bark, 0.5, 5))
        parts.append(_clump(rng, at, spread * rng.uniform(0.30, 0.46), leaves, 5))
    parts.append(
        _clump(
            rng, (0, 0, fork + 0.5 * crown), (spread * 0.55, spread * 0.55, 0.36 * crown), leaves
        )
    )
    return concatenate(parts)


def _clump(rng, center, radius, paint: Paint, detail: int = 7) -> Mesh:
    rough = 1 + 0.2 * rng.standard_normal((detail - 1, 2 * detail))
    return mapped(ball(center, radius, paint, detail, np.clip(rough, 0.6, 1.4)))


def conifer(rng: np.random.Generator, height: float) -> Mesh:
    """Build a conifer of stacked skirts."""
    paint = Paint(c.VEGETATION, "leaves", tuple(rng.uniform([0.4, 0.5, 0.7], [0.6, 0.7, 1.1])))
    parts = [cylinder((0, 0, -0.1), 0.02 * height, 0.3 * height, Paint(c.VEGETATION, "bark"))]
    for k in range(6):
        low, wide = height * (0.14 + 0.135 * k), 0.24 * height * (1 - k / 6.6)
        parts.append(cylinder((0, 0, low), wide, 0.24 * height, paint, 10, 0.04))
    return concatenate(parts)


def bush(rng: np.random.Generator, size: float) -> Mesh:
    """Build a bush of two or three rough balls."""
    paint = Paint(c.VEGETATION, "leaves", tuple(rng.uniform([0.6, 0.7, 0.6], [1.2, 1.1, 1.1])))
    parts = []
    for _ in range(3):
        at = np.append(rng.uniform(-0.4, 0.4, 2) * size, 0.35 * size)
        parts.append(_clump(rng, at, size * rng.uniform(0.4, 0.6), paint, 5))
    return concatenate(parts)


def hedge(rng: np.random.Generator, length: float, height: float = 1.1) -> Mesh:
    """Build a clipped hedge along x."""
    paint = Paint(c.VEGETATION, "leaves", tuple(rng.uniform([0.6, 0.75, 0.6], [0.9, 0.95, 0.9])))
    return mapped(box((0, 0, height / 2), (length, 0.7, height), paint))


@lru_cache
def street_lamp(side: float = 1.0) -> Mesh:
    """Build a street lamp whose arm reaches over the road at its left (side 1) or right (-1)."""
    steel = Paint(c.MANMADE, tint=STEEL)
    return concatenate(
        [
            cylinder((0, 0, 0), 0.11, 7.2, steel, 8, 0.55),
            cylinder((0, 0, 0), 0.17, 0.7, steel, 8, 0.8),
            limb((0, 0, 7.1), (0, side * 1.9, 7.5), 0.05, steel),
            box(
                (0, side * 2.1, 7.5),
                (0.26, 0.8, 0.14),
                Paint(c.MANMADE, "lamp", (0.9, 0.75, 0.5)),
                True,
            ),
        ]
    )


@lru_cache
def sign(color: tuple[float, float, float], round_plate: bool = True) -> Mesh:
    """Build a traffic sign that faces -x."""
    steel = Paint(c.MANMADE, tint=STEEL)
    sides = 12 if round_plate else 4
    angle = (np.arange(sides) + 0.5) * 2 * np.pi / sides
    plate = []
    for radius, depth, tint in ((0.34, 0.0, color), (0.24, 0.02, (0.75, 0.75, 0.72))):
        circle = np.stack([0 * angle, np.cos(angle), np.sin(angle)], axis=1)
        center = np.array([-0.05 - depth, 0, 2.45])
        from_mesh = [center + radius * circle, center - [0.03, 0, 0] + radius * circle]
        plate.append((from_mesh, Paint(c.MANMADE, tint=tint)))
    plates = [loft([ring[::-1] for ring in rings], paint) for rings, paint in plate]
    return concatenate([cylinder((0, 0, 0), 0.04, 2.75, steel, 6), *plates])


@lru_cache
def traffic_light(side: float = 1.0) -> Mesh:
    """Build a traffic light that faces -x, with one head on the pole and one over the road."""
    steel, dark = Paint(c.MANMADE, tint=STEEL), Paint(c.MANMADE, tint=(0.02, 0.022, 0.022))
    parts = [
        cylinder((0, 0, 0), 0.09, 5.6, steel, 8),
        limb((0, 0, 5.4), (0, side * 4.2, 5.7), 0.06, steel),
    ]
    for y, z in ((0.0, 3.0), (side * 4.0, 5.3)):
        parts.append(box((-0.2, y, z), (0.24, 0.34, 0.95), dark, True))
        for k, tint in enumerate(((0.05, 0.6, 0.25), (0.05, 0.035, 0.0), (0.06, 0.0, 0.0))):
            lamp = Paint(c.MANMADE, "lamp" if k == 0 else "plain", tint)
            parts.append(box((-0.33, y, z - 0.28 + 0.28 * k), (0.05, 0.2, 0.2), lamp, True))
    return concatenate(parts)


@lru_cache
def bollard() -> Mesh:
    """Build a bollard with a light band."""
    return concatenate(
        [
            cylinder((0, 0, 0), 0.07, 0.9, Paint(c.MANMADE, tint=(0.05, 0.05, 0.055))),
            cylinder((0, 0, 0.68), 0.075, 0.1, Paint(c.MANMADE, tint=(0.7, 0.7, 0.66))),
        ]
    )


@lru_cache
def barrier(striped: bool = True) -> Mesh:
    """Build a barrier 2 m long along x: striped boards on feet, or a concrete profile."""
    if striped:
        board = Paint(c.BARRIER, "stripes")
        feet = Paint(c.BARRIER, tint=(0.06, 0.06, 0.06))
        parts = [box((0, 0, z), (2.0, 0.06, 0.26), board, True) for z in (0.55, 0.95)]
        parts += [box((x, 0, 0.5), (0.08, 0.08, 1.05), board, True) for x in (-0.85, 0.85)]
        parts += [box((x, 0, 0.04), (0.09, 0.6, 0.08), feet) for x in (-0.85, 0.85)]
        return concatenate(parts)
    concrete = Paint(c.BARRIER, "concrete")
    return concatenate(
        [
            box((0, 0, 0.18), (2.0, 0.6, 0.36), concrete),
            box((0, 0, 0.58), (2.0, 0.26, 0.5), concrete),
        ]
    )


@lru_cache
def cone() -> Mesh:
    """Build a traffic cone."""
    orange, white = (0.62, 0.10, 0.012), (0.75, 0.75, 0.72)
    bands = (
        (0.03, 0.17, 0.25, orange),
        (0.28, 0.12, 0.16, white),
        (0.44, 0.085, 0.12, orange),
        (0.56, 0.06, 0.1, white),
        (0.66, 0.04, 0.09, orange),
    )
    parts = [box((0, 0, 0.02), (0.4, 0.4, 0.04), Paint(c.TRAFFIC_CONE, tint=orange))]
    for z, radius, height, tint in bands:
        parts.append(
            cylinder((0, 0, z), radius, height, Paint(c.TRAFFIC_CONE, tint=tint), 9, 0.72)
        )
    return concatenate(parts)


@lru_cache
def bin_(color: tuple[float, float, float]) -> Mesh:
    """Build a wheeled rubbish bin (class others)."""
    body = Paint(c.OTHERS, tint=color)
    return concatenate(
        [
            box((0, 0, 0.5), (0.52, 0.5, 0.95), body),
            box(
                (0.02, 0, 1.01),
                (0.62, 0.56, 0.08),
                Paint(c.OTHERS, tint=tuple(0.6 * k for k in color)),
                True,
            ),
        ]
    )


@lru_cache
def bench() -> Mesh:
    """Build a bench along x (class others)."""
    wood, steel = (
        Paint(c.OTHERS, tint=(0.22, 0.11, 0.05)),
        Paint(c.OTHERS, tint=(0.04, 0.04, 0.045)),
    )
    parts = [
        box((0, 0, 0.45), (1.6, 0.45, 0.06), wood, True),
        box((0, -0.22, 0.75), (1.6, 0.06, 0.35), wood, True),
    ]
    parts += [box((x, 0, 0.22), (0.08, 0.4, 0.44), steel) for x in (-0.65, 0.65)]
    return concatenate(parts)


@lru_cache
def shelter() -> Mesh:
    """Build a bus shelter along x that opens towards +y."""
    steel, glass = (
        Paint(c.MANMADE, tint=(0.09, 0.095, 0.1)),
        Paint(c.MANMADE, "glass", (2.2, 2.2, 2.2)),
    )
    parts = [box((x, -0.6, 1.2), (0.08, 0.08, 2.4), steel) for x in (-1.9, 0.0, 1.9)]
    parts.append(box((0, -0.6, 1.25), (3.7, 0.04, 1.9), glass, True))
    parts.append(box((0, 0.0, 2.45), (4.2, 1.6, 0.1), steel, True))
    parts.append(
        box((1.9, -0.1, 1.2), (0.1, 0.9, 1.8), Paint(c.MANMADE, "shops", (1.6, 1.4, 1.2)), True)
    )
    return concatenate(parts)
