# SPDX-License-Identifier: Apache-2.0
"""Rigid transforms and the voxel grid.

A transform named ``a2b`` is a (4, 4) float64 matrix that takes a column point from frame a to
frame b. Lengths are metres, angles radians, quaternions (w, x, y, z).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from transforms3d.quaternions import mat2quat, quat2mat


def rigid(quaternion: ArrayLike, translation: ArrayLike) -> NDArray[np.float64]:
    """Build the (4, 4) transform of a quaternion (w, x, y, z) and a translation (3,) in metres."""
    transform = np.eye(4)
    transform[:3, :3] = quat2mat(np.asarray(quaternion, np.float64))
    transform[:3, 3] = translation
    return transform


def inverse_rigid(transform: NDArray) -> NDArray[np.float64]:
    """Invert rigid transforms (..., 4, 4) by transposing the rotation."""
    transform = np.asarray(transform, np.float64)
    inverse = np.zeros_like(transform)
    rotation = np.swapaxes(transform[..., :3, :3], -1, -2)
    inverse[..., :3, :3] = rotation
    inverse[..., :3, 3] = -np.einsum("...ij,...j->...i", rotation, transform[..., :3, 3])
    inverse[..., 3, 3] = 1.0
    return inverse


def transform_points(transform: NDArray, points: NDArray) -> NDArray:
    """Move points (N, 3) by a transform (4, 4); computed in float64, returned in points' dtype."""
    moved = points.astype(np.float64) @ transform[:3, :3].T + transform[:3, 3]
    return moved.astype(points.dtype)


def quaternion_of(transform: NDArray) -> NDArray[np.float64]:
    """Return the unit quaternion (w, x, y, z) of a transform's rotation."""
    return mat2quat(transform[:3, :3])


def rotation_angle(turn: NDArray) -> float:
    """Return by how many degrees a (3, 3) rotation turns, 0 to 180."""
    return float(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))))


def interpolate_rigid(first: NDArray, second: NDArray, fraction: float) -> NDArray[np.float64]:
    """Go from ``first`` (fraction 0) to ``second`` (fraction 1): lerp of place, slerp of rotation.

    Fractions outside [0, 1] continue the motion at the same speed.
    """
    start, end = quaternion_of(first), quaternion_of(second)
    cosine = float(start @ end)
    if cosine < 0.0:
        end, cosine = -end, -cosine
    angle = np.arccos(min(cosine, 1.0))
    if angle < 1e-8:
        rotation = start
    else:
        rotation = np.sin((1 - fraction) * angle) * start + np.sin(fraction * angle) * end
        rotation /= np.linalg.norm(rotation)
    return rigid(rotation, (1 - fraction) * first[:3, 3] + fraction * second[:3, 3])


@dataclass(frozen=True)
class VoxelGrid:
    """A box of equal voxels, axis-aligned in its frame.

    Attributes:
        lower: Lowest corner (x, y, z) in metres: the corner of voxel (0, 0, 0).
        voxel_size: Edge lengths (x, y, z) in metres.
        shape: Number of voxels along (x, y, z).
    """

    lower: tuple[float, float, float]
    voxel_size: tuple[float, float, float]
    shape: tuple[int, int, int]

    @property
    def upper(self) -> tuple[float, float, float]:
        """Highest corner (x, y, z) in metres."""
        return tuple(
            low + size * count
            for low, size, count in zip(self.lower, self.voxel_size, self.shape, strict=True)
        )

    def centers(self, index: ArrayLike) -> NDArray[np.float64]:
        """Return the centres (N, 3) in metres of voxel indices (N, 3)."""
        return np.asarray(self.lower) + (np.asarray(index) + 0.5) * np.asarray(self.voxel_size)

    def index(self, points: NDArray) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Find the voxel of each point.

        Args:
            points: (N, 3) metres in the grid's frame.

        Returns:
            Indices (N, 3) and a mask (N,) that is true where the point lies in the grid.
        """
        scaled = (np.asarray(points, np.float64) - self.lower) / self.voxel_size
        index = np.floor(scaled).astype(np.int64)
        return index, np.all((index >= 0) & (index < self.shape), axis=1)


OCC3D_GRID = VoxelGrid(
    lower=(-40.0, -40.0, -1.0), voxel_size=(0.4, 0.4, 0.4), shape=(200, 200, 16)
)
"""The grid of Occ3D-nuScenes in the ego frame (x forward, y left, z up)."""
