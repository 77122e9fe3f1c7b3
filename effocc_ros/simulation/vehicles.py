# SPDX-License-Identifier: Apache-2.0
"""Vehicles at the origin: x forward, z up, wheels on z = 0, lengths in metres."""

import itertools
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from effocc_ros.simulation import classes as c
from effocc_ros.simulation.mesh import Mesh, Paint, box, concatenate, loft

COLORS = (
    (0.55, 0.56, 0.58),
    (0.72, 0.72, 0.70),
    (0.03, 0.032, 0.036),
    (0.13, 0.135, 0.145),
    (0.36, 0.02, 0.025),
    (0.02, 0.07, 0.24),
    (0.03, 0.12, 0.09),
    (0.45, 0.20, 0.03),
    (0.30, 0.28, 0.22),
)
"""Linear colours that cars come in."""

DARK = (0.018, 0.018, 0.02)


def _plan(x0: float, x1: float, half: float, z: float, corner: float = 0.25) -> np.ndarray:
    """Return a rectangle with cut corners, (8, 3), counter-clockwise seen from above."""
    k = corner
    points = [
        (x0 + k, -half),
        (x1 - k, -half),
        (x1, -half + 1.2 * k),
        (x1, half - 1.2 * k),
        (x1 - k, half),
        (x0 + k, half),
        (x0, half - 1.2 * k),
        (x0, -half + 1.2 * k),
    ]
    return np.array([(x, y, z) for x, y in points])


def _shell(levels: ArrayLike, paint: Paint, corner: float = 0.25) -> Mesh:
    """Loft a hull through levels (z, x0, x1, half width), from below to above."""
    return loft([_plan(x0, x1, half, z, corner) for z, x0, x1, half in levels], paint)


def wheel(x: float, y: float, radius: float, width: float, label: int, sides: int = 14) -> Mesh:
    """Build a wheel whose outer side faces away from the middle plane y = 0."""
    angle = np.arange(sides) * 2 * np.pi / sides
    circle = np.stack([np.cos(angle), 0 * angle, -np.sin(angle)], axis=1)
    center, side = np.array([x, y, radius]), np.sign(y) or 1.0
    rim = [center + [0, k * width / 2, 0] + radius * circle for k in (-1, 1)]
    tyre = loft(rim, Paint(label, tint=DARK))
    ring = center + [0, side * (width / 2 + 0.01), 0] + 0.6 * radius * circle
    inner = center + [0, side * (width / 2 - 0.02), 0] + 0.6 * radius * circle
    disc = loft([inner, ring] if side > 0 else [ring, inner], Paint(label, tint=(0.4, 0.4, 0.42)))
    return concatenate([tyre, disc])


def _wheels(xs: ArrayLike, half: float, radius: float, width: float, label: int) -> list[Mesh]:
    return [wheel(x, side * half, radius, width, label) for x in xs for side in (-1, 1)]


def _lights(front: float, back: float, half: float, z: float, label: int) -> list[Mesh]:
    """Head lamps, tail lamps and number plates."""
    parts = []
    for side in (-1, 1):
        at = side * (half - 0.28)
        head = Paint(label, "lamp", (0.85, 0.85, 0.8))
        parts.append(box((front - 0.02, at, z), (0.1, 0.34, 0.15), head))
        parts.append(
            box(
                (back + 0.02, at, z + 0.08),
                (0.1, 0.3, 0.16),
                Paint(label, "lamp", (0.5, 0.012, 0.01)),
            )
        )
    plate = Paint(label, tint=(0.75, 0.75, 0.7))
    parts.append(box((back - 0.0, 0, z - 0.1), (0.06, 0.5, 0.12), plate))
    parts.append(box((front + 0.0, 0, z - 0.22), (0.06, 0.5, 0.12), plate))
    return parts


@lru_cache(maxsize=64)
def car(color: tuple[float, float, float], kind: str = "sedan") -> Mesh:
    """Build a car: ``sedan``, ``hatch``, ``suv`` or ``van``."""
    length, half, belt, roof, nose, tail = {
        "sedan": (4.7, 0.92, 0.88, 1.45, 1.15, 0.75),
        "hatch": (4.1, 0.88, 0.90, 1.50, 0.95, 0.12),
        "suv": (4.7, 0.96, 1.02, 1.72, 1.05, 0.15),
        "van": (5.1, 0.98, 1.10, 1.98, 0.75, 0.08),
    }[kind]
    front, back = length / 2, -length / 2
    body, glass = Paint(c.CAR, tint=color), Paint(c.CAR, "glass")
    hood = belt - 0.08
    hull = _shell(
        [
            (0.24, back + 0.12, front - 0.14, half - 0.10),
            (0.38, back + 0.01, front - 0.01, half - 0.01),
            (0.60, back, front, half),
            (hood - 0.1, back + 0.03, front - 0.12, half - 0.02),
            (hood, back + 0.12, front - 0.34, half - 0.09),
        ],
        body,
    )
    base0, base1 = back + tail, front - nose
    lean0, lean1 = (0.45, 0.75) if kind in ("sedan", "hatch") else (0.22, 0.55)
    shoulder = _shell(
        [
            (hood - 0.02, base0 - 0.06, base1 + 0.1, half - 0.06),
            (belt + 0.03, base0 + 0.02, base1 - 0.02, half - 0.10),
        ],
        body,
        0.12,
    )
    cabin = _shell(
        [
            (belt, base0 + 0.03, base1 - 0.03, half - 0.12),
            (roof - 0.06, base0 + lean0, base1 - lean1, half - 0.24),
        ],
        glass,
        0.12,
    )
    top = _shell(
        [
            (roof - 0.07, base0 + lean0 - 0.03, base1 - lean1 + 0.03, half - 0.22),
            (roof, base0 + lean0 + 0.16, base1 - lean1 - 0.16, half - 0.34),
        ],
        body,
        0.14,
    )
    pillars = [
        _shell(
            [
                (belt, x - 0.06, x + 0.06, half - 0.105),
                (roof - 0.05, x - 0.05, x + 0.05, half - 0.225),
            ],
            body,
            0.02,
        )
        for x in (0.5 * (base0 + base1) - 0.1, base0 + lean0 + 0.3)
    ]
    mirrors = [
        box((base1 - 0.35, side * (half + 0.06), belt + 0.1), (0.14, 0.2, 0.13), body, bottom=True)
        for side in (-1, 1)
    ]
    skirt = _shell(
        [
            (0.23, back + 0.3, front - 0.3, half - 0.06),
            (0.34, back + 0.02, front - 0.02, half - 0.005),
        ],
        Paint(c.CAR, tint=DARK),
    )
    wheels = _wheels((back + 0.85, front - 0.88), half - 0.09, 0.33, 0.22, c.CAR)
    lights = _lights(front, back, half, 0.66, c.CAR)
    return concatenate([hull, shoulder, cabin, top, *pillars, *mirrors, skirt, *wheels, *lights])


def _window_band(x0, x1, half, z0, z1, label, count) -> list[Mesh]:
    """Panes along both sides, a little proud of the wall."""
    edges, glass = np.linspace(x0, x1, count + 1), Paint(label, "glass")
    return [
        box(((a + b) / 2, side * half, (z0 + z1) / 2), (b - a - 0.12, 0.03, z1 - z0), glass, True)
        for a, b in itertools.pairwise(edges)
        for side in (-1, 1)
    ]


@lru_cache(maxsize=64)
def bus(color: tuple[float, float, float]) -> Mesh:
    """Build a city bus, 11.5 m long."""
    half, front, back = 1.27, 5.75, -5.75
    hull = _shell(
        [
            (0.32, back, front, half - 0.02),
            (0.9, back, front, half),
            (2.7, back, front - 0.06, half - 0.02),
            (3.1, back + 0.12, front - 0.25, half - 0.14),
        ],
        Paint(c.BUS, tint=color),
        0.2,
    )
    roof = _shell(
        [(3.1, -4.5, 2.5, 0.9), (3.32, -4.3, 2.3, 0.75)], Paint(c.BUS, tint=(0.5, 0.5, 0.5))
    )
    screen = box((front - 0.02, 0, 1.85), (0.08, 2.1, 1.5), Paint(c.BUS, "glass"), True)
    rear = box((back + 0.02, 0, 2.2), (0.08, 1.8, 0.8), Paint(c.BUS, "glass"), True)
    sign = box((front - 0.05, 0, 2.85), (0.12, 1.5, 0.25), Paint(c.BUS, "lamp", (0.6, 0.35, 0.05)))
    band = _window_band(back + 0.5, front - 0.5, half, 1.35, 2.5, c.BUS, 8)
    wheels = _wheels((-3.2, 3.1), half - 0.13, 0.48, 0.3, c.BUS)
    lights = _lights(front, back, half, 0.8, c.BUS)
    return concatenate([hull, roof, screen, rear, sign, *band, *wheels, *lights])


@lru_cache(maxsize=64)
def truck(color: tuple[float, float, float], cargo: tuple[float, float, float]) -> Mesh:
    """Build a box truck, 8 m long."""
    body = Paint(c.TRUCK, tint=color)
    cab = _shell(
        [
            (0.45, 2.1, 4.0, 1.15),
            (1.5, 2.1, 4.02, 1.15),
            (2.6, 2.15, 3.75, 1.08),
            (2.75, 2.3, 3.5, 0.95),
        ],
        body,
        0.2,
    )
    screen = loft(
        [_plan(3.9, 4.04, 1.0, 1.55, 0.04), _plan(3.7, 3.83, 0.95, 2.4, 0.04)],
        Paint(c.TRUCK, "glass"),
    )
    sides = _window_band(2.6, 3.6, 1.13, 1.55, 2.25, c.TRUCK, 1)
    load = box((-1.0, 0, 2.0), (6.0, 2.45, 2.5), Paint(c.TRUCK, tint=cargo), True)
    chassis = box((-0.5, 0, 0.62), (7.0, 0.9, 0.3), Paint(c.TRUCK, tint=DARK), True)
    wheels = _wheels((-2.7, 2.9), 1.0, 0.5, 0.32, c.TRUCK)
    lights = _lights(4.02, -4.0, 1.15, 0.85, c.TRUCK)
    return concatenate([cab, screen, *sides, load, chassis, *wheels, *lights])


@lru_cache(maxsize=64)
def trailer(color: tuple[float, float, float]) -> Mesh:
    """Build a parked trailer, 6.5 m long, with its drawbar."""
    load = box((-0.3, 0, 1.85), (5.6, 2.4, 2.2), Paint(c.TRAILER, tint=color), True)
    frame = box((0.2, 0, 0.66), (6.2, 0.8, 0.24), Paint(c.TRAILER, tint=DARK), True)
    bar = box((3.2, 0, 0.62), (1.6, 0.14, 0.14), Paint(c.TRAILER, tint=DARK), True)
    leg = box((2.9, 0, 0.3), (0.14, 0.14, 0.6), Paint(c.TRAILER, tint=DARK))
    wheels = _wheels((-1.4, -0.3), 0.98, 0.42, 0.28, c.TRAILER)
    return concatenate([load, frame, bar, leg, *wheels])


@lru_cache(maxsize=64)
def excavator() -> Mesh:
    """Build a tracked excavator with its arm bent down in front."""
    label = c.CONSTRUCTION_VEHICLE
    yellow, dark = Paint(label, tint=(0.62, 0.33, 0.02)), Paint(label, tint=DARK)
    tracks = [
        _shell(
            [(0.02, -1.5, 1.5, 0.28), (0.4, -1.75, 1.75, 0.3), (0.75, -1.5, 1.5, 0.28)], dark, 0.06
        ).transformed(np.array([[1, 0, 0, 0], [0, 1, 0, y], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
        for y in (-0.95, 0.95)
    ]
    house = _shell(
        [(0.85, -1.9, 1.3, 1.2), (1.5, -1.95, 1.3, 1.2), (1.85, -1.8, 0.4, 1.1)], yellow
    )
    deck = box((0, 0, 0.75), (1.8, 1.6, 0.3), dark, True)
    cab = box((0.75, 0.65, 2.05), (1.15, 1.0, 1.45), Paint(label, "glass"), True)
    lid = box((0.75, 0.65, 2.82), (1.25, 1.1, 0.1), yellow, True)

    def beam(a, b, size, paint):
        a, b = np.asarray(a, float), np.asarray(b, float)
        along = (b - a) / np.linalg.norm(b - a)
        up = np.array([-along[2], 0, along[0]]) * size / 2
        side = np.array([0, 0.2, 0])
        return loft(
            [[p + up - side, p + up + side, p - up + side, p - up - side] for p in (a, b)], paint
        )

    arm = [
        beam((1.1, -0.2, 1.5), (2.9, -0.2, 3.6), 0.5, yellow),
        beam((2.8, -0.2, 3.6), (4.5, -0.2, 3.1), 0.45, yellow),
        beam((4.4, -0.2, 3.2), (4.9, -0.2, 1.3), 0.36, yellow),
        box((4.75, -0.2, 0.85), (0.8, 0.95, 0.8), dark, True),
    ]
    return concatenate([*tracks, house, deck, cab, lid, *arm])
