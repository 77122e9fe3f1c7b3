# SPDX-License-Identifier: Apache-2.0
"""Pedestrians and two-wheelers at the origin: x forward, z up, lengths in metres."""

from functools import lru_cache

import numpy as np

from effocc_ros.simulation import classes as c
from effocc_ros.simulation.mesh import Mesh, Paint, ball, box, concatenate, loft
from effocc_ros.simulation.vehicles import DARK, wheel

SKIN = ((0.50, 0.30, 0.21), (0.35, 0.19, 0.12), (0.16, 0.085, 0.055))
CLOTHES = (
    (0.04, 0.05, 0.10),
    (0.33, 0.03, 0.04),
    (0.05, 0.16, 0.30),
    (0.45, 0.42, 0.36),
    (0.03, 0.03, 0.035),
    (0.10, 0.17, 0.07),
    (0.50, 0.28, 0.04),
)


def limb(a, b, radius: float, paint: Paint, end: float = 0.8, sides: int = 7) -> Mesh:
    """Build a tapered tube from ``a`` to ``b``; its radius at ``b`` is ``end * radius``."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    along = (b - a) / np.linalg.norm(b - a)
    across = np.cross(along, [0.0, 1.0, 0.0] if abs(along[1]) < 0.9 else [1.0, 0, 0])
    across /= np.linalg.norm(across)
    other = np.cross(along, across)
    angle = np.arange(sides)[:, None] * 2 * np.pi / sides
    circle = np.cos(angle) * across + np.sin(angle) * other
    return loft([a + radius * circle, b + radius * end * circle], paint)


def person(
    label: int, shirt, trousers, skin, phase: float | None = None, height: float = 1.75
) -> Mesh:
    """Build a person who stands, or walks at a phase of the step in radians."""
    swing = 0.0 if phase is None else 0.42 * np.sin(phase)
    cloth, legs, face = (Paint(label, tint=t) for t in (shirt, trousers, skin))
    parts = []
    for side in (-1, 1):
        step = side * swing
        hip, knee = (
            np.array([0, side * 0.10, 0.92]),
            np.array([0.45 * np.sin(step), side * 0.1, 0.5]),
        )
        lift = 0.12 * max(0.0, -np.sin(step)) if phase is not None else 0.0
        foot = np.array([0.9 * np.sin(step) - lift, side * 0.10, 0.06 + lift])
        parts += [limb(hip, knee, 0.095, legs), limb(knee, foot, 0.075, legs)]
        parts.append(
            box(
                foot + np.array([0.06, 0, -0.0]), (0.26, 0.10, 0.11), Paint(label, tint=DARK), True
            )
        )
        shoulder = np.array([0, side * 0.21, 1.42])
        elbow = shoulder + np.array([-0.3 * np.sin(step), side * 0.05, -0.28])
        hand = elbow + np.array([-0.22 * np.sin(step) + 0.06, 0, -0.25])
        parts += [limb(shoulder, elbow, 0.06, cloth), limb(elbow, hand, 0.05, cloth)]
        parts.append(ball(hand, 0.05, face, 3))
    chest = [
        [(0.13 * k * np.cos(a), 0.21 * w * np.sin(a), z) for a in np.arange(8) * np.pi / 4]
        for z, k, w in ((0.86, 0.95, 0.82), (1.12, 0.9, 0.8), (1.40, 1.0, 1.08), (1.50, 0.6, 0.6))
    ]
    parts.append(loft(chest, cloth))
    parts.append(limb((0, 0, 1.47), (0.01, 0, 1.58), 0.06, face))
    parts.append(ball((0.02, 0, 1.65), (0.105, 0.09, 0.13), face, 5))
    parts.append(
        ball((-0.005, 0, 1.69), (0.112, 0.1, 0.11), Paint(label, tint=(0.035, 0.022, 0.015)), 4)
    )
    return concatenate(parts).transformed(np.diag([height / 1.78] * 3 + [1.0]))


def _rider(label: int, shirt, trousers, skin, saddle, hands, feet, phase: float = 0.0) -> Mesh:
    """Build a seated person between saddle, handlebar and pedals (x, z)."""
    cloth, legs, face = (Paint(label, tint=t) for t in (shirt, trousers, skin))
    hip, neck = (
        np.array([saddle[0], 0, saddle[1] + 0.1]),
        np.array([saddle[0] + 0.28, 0, saddle[1] + 0.68]),
    )
    parts = [
        limb(hip, neck, 0.15, cloth, 1.05, 8),
        ball(neck + np.array([0.07, 0, 0.2]), 0.12, face, 5),
    ]
    parts.append(
        ball(
            neck + np.array([0.06, 0, 0.26]),
            (0.15, 0.12, 0.09),
            Paint(label, tint=(0.4, 0.4, 0.42)),
            4,
        )
    )
    for side in (-1, 1):
        turn = phase + (np.pi if side > 0 else 0)
        foot = np.array(
            [feet[0] + 0.15 * np.cos(turn), side * 0.12, feet[1] + 0.15 * np.sin(turn)]
        )
        knee = (hip + foot) / 2 + [0.26, side * 0.05, 0.12]
        parts += [
            limb(hip + np.array([0, side * 0.09, 0]), knee, 0.09, legs),
            limb(knee, foot, 0.07, legs),
        ]
        grip = np.array([hands[0], side * 0.25, hands[1]])
        parts.append(limb(neck + np.array([0, side * 0.18, -0.08]), grip, 0.055, cloth))
    return concatenate(parts)


@lru_cache(maxsize=64)
def bicycle(color, rider: tuple | None = None, phase: float = 0.0) -> Mesh:
    """Build a bicycle; ``rider`` gives shirt, trousers and skin of the person on it."""
    label = c.BICYCLE
    paint, dark = Paint(label, tint=color), Paint(label, tint=DARK)
    saddle, crank, head = (-0.2, 0, 0.92), (-0.05, 0, 0.3), (0.42, 0, 0.85)
    rear, front = (-0.52, 0, 0.34), (0.55, 0, 0.34)
    tubes = [
        (saddle, crank),
        (crank, head),
        ((-0.18, 0, 0.8), head),
        (rear, crank),
        (rear, (-0.18, 0, 0.8)),
        (head, front),
    ]
    parts = [limb(a, b, 0.025, paint, 1.0, 5) for a, b in tubes]
    parts += [wheel(x, 0.0, 0.34, 0.045, label, 12) for x in (-0.52, 0.55)]
    parts.append(box((-0.22, 0, 0.95), (0.26, 0.15, 0.07), dark, True))
    parts += [limb((0.4, 0, 0.85), (0.38, 0, 1.02), 0.025, dark, 1.0, 5)]
    parts.append(limb((0.4, -0.3, 1.02), (0.4, 0.3, 1.02), 0.02, dark, 1.0, 5))
    if rider is not None:
        parts.append(_rider(label, *rider, (-0.2, 0.9), (0.4, 1.02), (0.0, 0.3), phase))
    return concatenate(parts)


@lru_cache(maxsize=64)
def motorcycle(color, rider: tuple | None = None) -> Mesh:
    """Build a motorcycle; ``rider`` gives shirt, trousers and skin of the person on it."""
    label = c.MOTORCYCLE
    paint, dark = Paint(label, tint=color), Paint(label, tint=DARK)
    parts = [wheel(x, 0.0, 0.31, 0.14, label, 12) for x in (-0.72, 0.72)]
    parts.append(ball((0.1, 0, 0.82), (0.36, 0.17, 0.17), paint, 5))
    parts.append(ball((0.0, 0, 0.45), (0.4, 0.18, 0.2), Paint(label, tint=(0.2, 0.2, 0.21)), 5))
    parts.append(box((-0.45, 0, 0.82), (0.7, 0.26, 0.12), dark, True))
    parts.append(limb((-0.72, 0.12, 0.31), (0.0, 0.1, 0.4), 0.05, dark, 1, 5))
    parts += [limb((0.72, y, 0.31), (0.45, y, 1.02), 0.035, dark, 1, 5) for y in (-0.1, 0.1)]
    parts.append(limb((0.45, -0.36, 1.05), (0.45, 0.36, 1.05), 0.022, dark, 1, 5))
    parts.append(
        box((0.6, 0, 0.92), (0.14, 0.2, 0.18), Paint(label, "lamp", (0.85, 0.85, 0.8)), True)
    )
    parts.append(
        box((-0.85, 0, 0.8), (0.08, 0.2, 0.1), Paint(label, "lamp", (0.5, 0.012, 0.01)), True)
    )
    if rider is not None:
        parts.append(_rider(label, *rider, (-0.35, 0.82), (0.42, 1.05), (0.0, 0.35)))
    return concatenate(parts)
