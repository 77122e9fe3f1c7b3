"""Points spread evenly over surfaces, each standing for a piece of area."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.simulation.raycast import Surface

SPACING = 0.13
"""Greatest distance between neighbouring samples in metres: three to a voxel's edge."""

THICKNESS = 0.02
"""Surfaces count as this thick to both sides, as LiDAR noise makes them appear, metres."""


@dataclass(frozen=True)
class Samples:
    """Points on surfaces.

    Attributes:
        points: (N, 3) float32 metres.
        label: (N,) uint8 class.
        weight: (N,) float32 area in square metres that the point stands for.
    """

    points: NDArray[np.float32]
    label: NDArray[np.uint8]
    weight: NDArray[np.float32]


def sample_surface(surface: Surface, below: float) -> Samples:
    """Spread samples over the part of a surface under a height, sorted by class.

    Args:
        surface: The surface.
        below: Greatest z in metres of the surface's frame.
    """
    corners = surface.mesh.vertices
    low = corners[..., 2].min(axis=1) < below
    corners, label, area = corners[low], surface.mesh.label[low], surface.area[low]
    edges = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)
    longest = edges.argmax(axis=1)  # make it the edge from corner 0 to corner 1
    order = (longest[:, None] + np.arange(3)) % 3
    corners = np.take_along_axis(corners, order[..., None], axis=1)
    base = edges.max(axis=1)
    along = np.maximum(np.ceil(base / SPACING), 1).astype(np.int64)
    across = np.maximum(np.ceil(2 * area / np.maximum(base, 1e-6) / SPACING), 1).astype(np.int64)
    count = along * across
    face = np.repeat(np.arange(len(count)), count)
    step = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    column, row = step % along[face], step // along[face]
    up = ((row + 0.5) / across[face]).astype(np.float32)
    side = ((column + 0.5) / along[face]).astype(np.float32) * (1 - up)
    start, first, second = (corners[:, k] for k in range(3))
    points = start[face] + side[:, None] * (first - start)[face] + up[:, None] * (second - start)[face]
    weight = (2 * area[face] / count[face] * (1 - up)).astype(np.float32)
    normal = surface.normals.T[np.flatnonzero(low)][face] * np.float32(THICKNESS)
    points = np.concatenate([points, points + normal, points - normal])
    weight = np.concatenate([weight, 1e-3 * weight, 1e-3 * weight])
    label = np.tile(label[face], 3)
    keep = points[:, 2] < below
    order = np.argsort(label[keep], kind="stable")
    return Samples(points[keep][order], label[keep][order], weight[keep][order])
