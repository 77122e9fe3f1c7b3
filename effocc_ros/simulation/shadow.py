# SPDX-License-Identifier: Apache-2.0
"""Shadows by a depth map seen from the sun.

L. Williams, "Casting curved shadows on curved surfaces", SIGGRAPH 1978.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.simulation.raycast import Surface

TEXEL = 0.15
"""Edge of a texel in metres."""

BIAS = 0.06
"""How much a point may lie behind the surface that the map met first, metres."""

_FAR = 400.0


def _axes(sun: NDArray) -> NDArray[np.float64]:
    """Rows: two directions across the light, then the direction to the sun."""
    across = np.cross([0.0, 0.0, 1.0], sun)
    norm = np.linalg.norm(across)
    across = across / norm if norm > 1e-6 else np.array([1.0, 0, 0])
    return np.stack([across, np.cross(sun, across), sun])


def _depth_map(surface: Surface, axes: NDArray, low: NDArray, shape: tuple[int, int]) -> NDArray:
    """Greatest ``sun . x`` over a lattice of light rays that starts at ``low``."""
    rows, columns = (low[k] + (np.arange(shape[k]) + 0.5) * TEXEL for k in (0, 1))
    across = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    middle = float(axes[2] @ surface.center) + _FAR
    origins = across @ axes[:2] + middle * axes[2]
    directions = np.broadcast_to(-axes[2], origins.shape).astype(np.float32)
    faces = surface.faces(origins.astype(np.float32), directions)
    distance = surface.distance(faces, origins.astype(np.float32), directions)
    return (middle - distance).astype(np.float32).reshape(shape)


@dataclass(frozen=True)
class ShadowMap:
    """Depth from the sun over a rectangle across its light.

    Attributes:
        axes: (3, 3) rows of the light's frame in the map.
        low: (2,) lowest corner of the rectangle, metres.
        depth: (A, B) float32, metres towards the sun of the first surface met.
    """

    axes: NDArray[np.float64]
    low: NDArray[np.float64]
    depth: NDArray[np.float32]

    def lit(self, points: NDArray, jitter: NDArray) -> NDArray[np.float32]:
        """Tell which points (3, N) of the map the sun reaches.

        Args:
            points: float32 metres.
            jitter: (2, N) offsets in texels that soften the edge.

        Returns:
            (N,) float32, 1 in the sun and 0 in shadow.
        """
        axes = self.axes.astype(np.float32)
        place = axes @ points
        place[:2] -= self.low.astype(np.float32)[:, None]
        place[:2] *= np.float32(1 / TEXEL)
        place[:2] += jitter
        rows, columns = self.depth.shape
        a, b = place[:2].astype(np.int32)
        np.clip(a, 0, rows - 1, out=a)
        np.clip(b, 0, columns - 1, out=b)
        a *= columns
        a += b
        first = np.take(self.depth.reshape(-1), a)
        return (place[2] > first - np.float32(BIAS)).astype(np.float32)


class Shadows:
    """The shadow map of a street, and of its agents at a time.

    Args:
        static: What never moves.
        sun: Unit vector towards the sun.
    """

    def __init__(self, static: Surface, sun: NDArray):
        self._axes = _axes(np.asarray(sun, np.float64))
        low, high = static.mesh.bounds()
        corners = np.array(
            [
                [x, y, z]
                for x in (low[0], high[0])
                for y in (low[1], high[1])
                for z in (low[2], high[2])
            ]
        )
        across = corners @ self._axes[:2].T
        self._low = across.min(axis=0)
        shape = tuple(int(k) for k in np.ceil(np.ptp(across, axis=0) / TEXEL))
        self._depth = _depth_map(static, self._axes, self._low, shape)
        self._patches: dict[tuple[int, int], tuple[NDArray, NDArray]] = {}

    def at(self, placed: Sequence[tuple[Surface, NDArray]]) -> ShadowMap:
        """Add agents, given as shapes and (4, 4) poses, to the street's shadows."""
        depth = self._depth.copy()
        for shape, pose in placed:
            low, patch = self._patch(shape, pose)
            moved = self._axes @ pose[:3, 3]
            first = np.round((low + moved[:2] - self._low) / TEXEL).astype(int)
            start, stop = np.maximum(first, 0), np.minimum(first + patch.shape, depth.shape)
            if np.any(start >= stop):
                continue
            inside = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
            part = tuple(slice(a, b) for a, b in zip(start - first, stop - first, strict=True))
            np.maximum(depth[inside], patch[part] + np.float32(moved[2]), out=depth[inside])
        return ShadowMap(self._axes, self._low, depth)

    def _patch(self, shape: Surface, pose: NDArray) -> tuple[NDArray, NDArray]:
        """Depth map of a shape at the origin, kept for each degree of heading."""
        degree = int(np.round(np.degrees(np.arctan2(pose[1, 0], pose[0, 0]))))
        key = (id(shape), degree)
        if key not in self._patches:
            yaw = np.radians(degree)
            turn = np.array(
                [[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]]
            )
            axes = self._axes @ turn
            low = axes[:2] @ shape.center - shape.radius
            count = int(np.ceil(2 * shape.radius / TEXEL))
            patch = _depth_map(shape, axes, low, (count, count))
            self._patches[key] = low, patch
        return self._patches[key]
