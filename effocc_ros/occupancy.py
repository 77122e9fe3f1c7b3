# SPDX-License-Identifier: Apache-2.0
"""Semantic occupancy: a class for every voxel, and what the classes are."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.geometry import VoxelGrid

UPRIGHT = (0.0, 0.0, 1.0, 0.0)
"""``SemanticOccupancy.up`` of a grid in the base frame."""


@dataclass(frozen=True)
class ClassList:
    """The classes of one benchmark.

    Attributes:
        name: Short name of the list.
        names: Name of class i at position i.
        colors: Red, green, blue (0..255) of class i at position i.
        free: The label that means "nothing here".
        unused: Outputs of a network that stand for no class: no label is one of them.
        ground: Names of the classes that lie on the ground: no obstacles by themselves.
        drivable: Names of the ground classes that a road vehicle drives on.
    """

    name: str
    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    free: int
    unused: tuple[int, ...] = ()
    ground: tuple[str, ...] = ()
    drivable: tuple[str, ...] = ()

    @property
    def scored(self) -> tuple[int, ...]:
        """Labels whose scores make up a mean: all but free and unused ones."""
        left_out = (self.free, *self.unused)
        return tuple(label for label in range(len(self.names)) if label not in left_out)

    def palette(self) -> NDArray[np.uint8]:
        """Return the colours as (C, 3) uint8 RGB."""
        return np.asarray(self.colors, np.uint8)

    def mask(self, names: Collection[str], what: str = "class names") -> NDArray[np.bool_]:
        """Return (256,) bool, true for the labels of these classes.

        Args:
            names: Names in this list.
            what: What the error calls them.

        Raises:
            InputError: A name is not in the list.
        """
        unknown = sorted(set(names) - set(self.names))
        if unknown:
            raise InputError(
                what,
                found=", ".join(unknown),
                expected=f"names of {self.name}: {', '.join(self.names)}",
                reason="unknown_class",
            )
        mask = np.zeros(256, bool)
        mask[[label for label, name in enumerate(self.names) if name in names]] = True
        return mask


@dataclass(frozen=True)
class SemanticOccupancy:
    """A class for every voxel of a grid, and how it came about.

    Attributes:
        stamp: Nanoseconds since the epoch.
        frame_id: Frame in which the grid is axis-aligned.
        grid: Place and size of the voxels.
        labels: (X, Y, Z) uint8.
        classes: What the labels mean.
        confidence: (X, Y, Z) uint8, probability of the label as 0..255, or None when off.
        model: Preset or checkpoint that made this.
        trained: False when the weights are random and the labels mean nothing.
        mode: ``fusion``, ``vision`` or ``lidar``.
        inputs: Names of the sensors that took part.
        flow: (X, Y, Z, 2) float32, velocity (x, y) in m/s in the grid's frame, or None for models
            that know none. Of free voxels it means nothing.
        up: (a, b, c, d): a x + b y + c z + d is the height over the base frame, in metres, of the
            point (x, y, z) of the grid's frame. In the LiDAR's frame that is its height and tilt.
    """

    stamp: int
    frame_id: str
    grid: VoxelGrid
    labels: NDArray[np.uint8]
    classes: ClassList
    confidence: NDArray[np.uint8] | None = None
    model: str = ""
    trained: bool = False
    mode: str = ""
    inputs: tuple[str, ...] = ()
    flow: NDArray[np.float32] | None = None
    up: tuple[float, float, float, float] = UPRIGHT

    def __post_init__(self):
        wanted = {
            "labels": (np.uint8, self.grid.shape),
            "confidence": (np.uint8, self.grid.shape),
            "flow": (np.float32, (*self.grid.shape, 2)),
        }
        for name, (dtype, shape) in wanted.items():
            array = getattr(self, name)
            if array is not None and (array.shape != shape or array.dtype != dtype):
                raise InputError(
                    f"SemanticOccupancy.{name}",
                    found=f"{array.dtype} {array.shape}",
                    expected=f"{np.dtype(dtype)} {shape}, the shape of its grid",
                )

    @property
    def occupied(self) -> NDArray[np.bool_]:
        """(X, Y, Z) true where something is."""
        return self.labels != self.classes.free

    def visible(self) -> NDArray[np.bool_]:
        """(X, Y, Z) true for occupied voxels that can be seen from outside."""
        return exposed(self.occupied)

    def bird_eye_labels(self) -> NDArray[np.uint8]:
        """(X, Y) label of the highest occupied voxel of each column, free where there is none."""
        occupied = self.occupied
        top = self.labels.shape[2] - 1 - np.argmax(occupied[:, :, ::-1], axis=2)
        labels = np.take_along_axis(self.labels, top[:, :, None], axis=2)[:, :, 0]
        return np.where(occupied.any(axis=2), labels, np.uint8(self.classes.free))


def exposed(solid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the solid voxels (X, Y, Z) that touch one that is not, or the grid's border.

    A voxel whose six neighbours are all solid cannot be seen from outside; leaving such voxels
    out of pictures and markers changes nothing that is visible.
    """
    around = np.pad(solid, 1)
    buried = (
        around[2:, 1:-1, 1:-1]
        & around[:-2, 1:-1, 1:-1]
        & around[1:-1, 2:, 1:-1]
        & around[1:-1, :-2, 1:-1]
        & around[1:-1, 1:-1, 2:]
        & around[1:-1, 1:-1, :-2]
    )
    return solid & ~buried
