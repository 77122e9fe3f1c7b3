# SPDX-License-Identifier: Apache-2.0
"""What a dataset yields: a Frame, and what is true of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effocc_ros.frame import Frame
from effocc_ros.geometry import VoxelGrid
from effocc_ros.occupancy import ClassList, SemanticOccupancy


@dataclass(frozen=True)
class LabelSpace:
    """What a benchmark's labels mean, and where their voxels are.

    Attributes:
        classes: Names and colours of the labels.
        grid: The voxels.
        frame_id: Frame in which the grid stands: the ego frame or the LiDAR's, at the Frame's
            stamp.
        ignore: Label of voxels that do not count, or None.
    """

    classes: ClassList
    grid: VoxelGrid
    frame_id: str
    ignore: int | None = None


@dataclass(frozen=True)
class Labels:
    """What is true of the voxels at one moment.

    Attributes:
        semantics: (X, Y, Z) uint8.
        mask_camera: (X, Y, Z) bool, true where the cameras saw the voxel; None where the benchmark
            has no such mask.
        mask_lidar: The same for the LiDAR.
        flow: (X, Y, Z, 2) float32, velocity (x, y) in m/s, or None.
        shown: (X, Y, Z) bool, true where a label budget of voxels shows the label; None where it
            shows all.
    """

    semantics: NDArray[np.uint8]
    mask_camera: NDArray[np.bool_] | None = None
    mask_lidar: NDArray[np.bool_] | None = None
    flow: NDArray[np.float32] | None = None
    shown: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Sample:
    """One annotated moment.

    Attributes:
        token: The sample's name in its benchmark.
        scene: Name of the drive that it belongs to.
        frame: What the sensors saw.
        labeled: False where a label budget hides the labels: the student sees the Frame alone.
        truth: The labels; None where ``labeled`` is false.
        space: What the labels mean.
    """

    token: str
    scene: str
    frame: Frame
    labeled: bool
    truth: Labels | None
    space: LabelSpace

    @property
    def labels(self) -> NDArray[np.uint8] | None:
        """(X, Y, Z) uint8, or None where hidden."""
        return None if self.truth is None else self.truth.semantics

    @property
    def mask_camera(self) -> NDArray[np.bool_] | None:
        """(X, Y, Z) bool, true where the cameras saw the voxel, or None."""
        return None if self.truth is None else self.truth.mask_camera

    @property
    def mask_lidar(self) -> NDArray[np.bool_] | None:
        """(X, Y, Z) bool, true where the LiDAR saw the voxel, or None."""
        return None if self.truth is None else self.truth.mask_lidar

    def occupancy(self) -> SemanticOccupancy | None:
        """Return the labels as the occupancy that a perfect network would give."""
        if self.truth is None:
            return None
        labels = self.truth.semantics
        if self.space.ignore is not None:
            free = np.uint8(self.space.classes.free)
            labels = np.where(labels == self.space.ignore, free, labels)
        return SemanticOccupancy(
            stamp=self.frame.stamp,
            frame_id=self.space.frame_id,
            grid=self.space.grid,
            labels=labels,
            classes=self.space.classes,
            model=f"{self.space.classes.name} labels",
            trained=True,
            mode="labels",
            inputs=self.frame.inputs,
        )
