# SPDX-License-Identifier: Apache-2.0
"""Points spread evenly over surfaces, each standing for a piece of area."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.simulation.raycast import Surface

SPACING = 0.16
"""Greatest distance between neighbouring samples in metres: more than two to a voxel's edge."""

THICKNESS = 0.02
"""Samples lie by turns this far outside and inside of a surface, in metres: LiDAR noise makes
surfaces that thick, and a voxel that a surface only touches counts as occupied."""


@dataclass(frozen=True)
class Samples:
    """Points on surfaces.

    Attributes:
        points: (3, N) float32 metres.
        label: (N,) uint8 class.
        weight: (N,) float32 area in square metres that the point stands for.
    """

    points: NDArray[np.float32]
    label: NDArray[np.uint8]
    weight: NDArray[np.float32]


def sample_surface(surface: Surface, chosen: NDArray[np.bool_]) -> Samples:
    """Spread samples over some triangles of a surface.

    Args:
        surface: The surface.
        chosen: (F,) which triangles.
    """
    corners = surface.mesh.vertices[chosen]
    label, area = surface.mesh.label[chosen], surface.area[chosen]
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
    points = (
        start[face] + side[:, None] * (first - start)[face] + up[:, None] * (second - start)[face]
    )
    weight = (2 * area[face] / count[face] * (1 - up)).astype(np.float32)
    turns = np.where((column + row) % 2, np.float32(THICKNESS), np.float32(-THICKNESS))
    points += turns[:, None] * surface.normals.T[chosen][face]
    return Samples(np.ascontiguousarray(points.T), label[face], weight)
