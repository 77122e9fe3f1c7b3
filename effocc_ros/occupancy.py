"""Semantic occupancy: a class for every voxel, and what the classes are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.geometry import VoxelGrid


@dataclass(frozen=True)
class ClassList:
    """The classes of one benchmark.

    Attributes:
        name: Short name of the list.
        names: Name of class i at position i.
        colors: Red, green, blue (0..255) of class i at position i.
        free: The label that means "nothing here".
        unused: Outputs of a network that stand for no class: no label is one of them.
    """

    name: str
    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    free: int
    unused: tuple[int, ...] = ()

    @property
    def scored(self) -> tuple[int, ...]:
        """Labels whose scores make up a mean: all but free and unused ones."""
        left_out = (self.free, *self.unused)
        return tuple(label for label in range(len(self.names)) if label not in left_out)

    def palette(self) -> NDArray[np.uint8]:
        """Return the colours as (C, 3) uint8 RGB."""
        return np.asarray(self.colors, np.uint8)


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
        above_base: Metres from the base frame up to the origin of the grid's frame: 0 in the ego
            frame, the LiDAR's height in its own.
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
    above_base: float = 0.0

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
        """(X, Y, Z) true for occupied voxels that touch free space or the grid's border.

        A voxel whose six neighbours are all occupied cannot be seen from outside; leaving such
        voxels out of pictures and markers changes nothing that is visible.
        """
        solid = np.pad(self.occupied, 1)
        inner = solid[1:-1, 1:-1, 1:-1]
        hidden = (
            solid[2:, 1:-1, 1:-1]
            & solid[:-2, 1:-1, 1:-1]
            & solid[1:-1, 2:, 1:-1]
            & solid[1:-1, :-2, 1:-1]
            & solid[1:-1, 1:-1, 2:]
            & solid[1:-1, 1:-1, :-2]
        )
        return inner & ~hidden

    def bird_eye_labels(self) -> NDArray[np.uint8]:
        """(X, Y) label of the highest occupied voxel of each column, free where there is none."""
        occupied = self.occupied
        top = self.labels.shape[2] - 1 - np.argmax(occupied[:, :, ::-1], axis=2)
        labels = np.take_along_axis(self.labels, top[:, :, None], axis=2)[:, :, 0]
        return np.where(occupied.any(axis=2), labels, np.uint8(self.classes.free))
