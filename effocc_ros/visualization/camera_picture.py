# SPDX-License-Identifier: Apache-2.0
"""A camera's image at another size, and the voxels painted over it."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.frame import Camera, Frame
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.visualization.faces import Faces
from effocc_ros.visualization.scene import camera2ego, ego2grid
from effocc_ros.visualization.voxel_painter import View, paint_voxels


def fitted(camera: Camera, height: int, width: int) -> Camera:
    """Return a camera whose image is as large as fits into a box, with intrinsics to match."""
    rows, columns = camera.image.shape[:2]
    scale = min(height / rows, width / columns)
    size = max(round(columns * scale), 1), max(round(rows * scale), 1)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image = cv2.resize(np.ascontiguousarray(camera.image), size, interpolation=how)
    intrinsics = np.diag([size[0] / columns, size[1] / rows, 1.0]) @ camera.intrinsics
    return replace(camera, image=image, intrinsics=intrinsics)


def voxels_over(
    frame: Frame, camera: Camera, occupancy: SemanticOccupancy, faces: Faces
) -> NDArray[np.uint8]:
    """Paint the voxels over a camera's image.

    Args:
        frame: The moment.
        camera: One of its cameras, at any size.
        occupancy: The voxels.
        faces: Their exposed faces, which serve all cameras.

    Returns:
        A new picture of the image's size.
    """
    sensor2grid = ego2grid(frame, occupancy) @ camera2ego(frame, camera)
    view = View(camera.intrinsics, sensor2grid)
    palette = occupancy.classes.palette()
    return paint_voxels(camera.image, faces, occupancy.grid, palette, view)
