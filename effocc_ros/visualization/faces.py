# SPDX-License-Identifier: Apache-2.0
"""The faces of voxels that can be seen, in the order in which to paint them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.geometry import VoxelGrid

# Corners of a unit cube's face (axis, side 0 or 1), walking around it.
_SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])


@dataclass(frozen=True)
class Faces:
    """Sides of occupied voxels that touch free space.

    Attributes:
        index: (F, 3) voxel of each face.
        axis: (F,) 0, 1, 2: the axis that the face is perpendicular to.
        side: (F,) 0 for the lower side of the voxel, 1 for the upper.
        label: (F,) uint8 class of the voxel.
    """

    index: NDArray[np.int64]
    axis: NDArray[np.int64]
    side: NDArray[np.int64]
    label: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.label)

    def take(self, chosen: NDArray) -> "Faces":
        """Return some of the faces, by mask or by number, in that order."""
        return Faces(self.index[chosen], self.axis[chosen], self.side[chosen], self.label[chosen])

    def corners(self, grid: VoxelGrid) -> NDArray[np.float64]:
        """(F, 4, 3) corners in metres in the grid's frame, in order around the face."""
        offset = np.empty((len(self), 4, 3))
        for axis in range(3):
            these = self.axis == axis
            others = [other for other in range(3) if other != axis]
            offset[np.ix_(these, range(4), others)] = _SQUARE
            offset[these, :, axis] = self.side[these, None]
        return np.asarray(grid.lower) + (self.index[:, None] + offset) * grid.voxel_size


def exposed_faces(labels: NDArray[np.uint8], free: int) -> Faces:
    """Find the faces between occupied voxels and free ones, and those at the grid's border.

    Args:
        labels: (X, Y, Z) class of each voxel.
        free: The label that means "nothing here".
    """
    solid = np.pad(labels != free, 1)
    inner = solid[1:-1, 1:-1, 1:-1]
    found = []
    for axis in range(3):
        for side in (0, 1):
            neighbour = np.roll(solid, 1 - 2 * side, axis)[1:-1, 1:-1, 1:-1]
            index = np.argwhere(inner & ~neighbour)
            found.append((index, np.full(len(index), axis), np.full(len(index), side)))
    index, axis, side = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Faces(index, axis, side, labels[tuple(index.T)])


def back_to_front(faces: Faces, eye: NDArray, grid: VoxelGrid) -> Faces:
    """Keep the faces that look at the eye, farthest first.

    A ray from the eye goes through the grid monotonically along each axis, so along it the number
    of cells between a voxel and the eye's cell, summed over the axes, only grows. Painting in the
    falling order of that sum is therefore exact: no face ever covers one that is before it.

    Args:
        faces: Any faces of the grid.
        eye: (3,) metres in the grid's frame; may lie outside the grid.
        grid: The grid.
    """
    place = (np.asarray(eye) - grid.lower) / grid.voxel_size
    plane = faces.index[np.arange(len(faces)), faces.axis] + faces.side
    eye_along = place[faces.axis]
    facing = np.where(faces.side == 1, eye_along > plane, eye_along < plane)
    faces = faces.take(facing)
    steps = np.abs(faces.index - np.floor(place).astype(np.int64)).sum(axis=1)
    return faces.take(np.argsort(-steps, kind="stable"))
