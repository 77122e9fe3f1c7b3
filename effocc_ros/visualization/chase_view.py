# SPDX-License-Identifier: Apache-2.0
"""The voxels as a follower sees them, from behind and above the vehicle."""

import numpy as np
from numpy.typing import NDArray

from effocc_ros.geometry import VoxelGrid, transform_points
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.visualization.faces import exposed_faces
from effocc_ros.visualization.text import Color
from effocc_ros.visualization.voxel_painter import View, paint_voxels

EYE = (-17.0, 0.0, 12.5)
"""Where the follower is, metres in the ego frame."""
TARGET = (7.0, 0.0, -1.0)
FIELD_OF_VIEW = np.deg2rad(74.0)
FADE = (48.0, 72.0)
"""Metres from the follower at which the scene begins to fade, and is gone."""
SKY: Color = (52, 58, 70)
GROUND: Color = (22, 25, 31)
VEHICLE: Color = (248, 250, 252)
VEHICLE_BOXES = (
    ((-1.0, -0.75, 0.3), (3.8, 0.75, 1.0)),
    ((-0.6, -0.75, 1.0), (2.2, 0.75, 1.7)),
)
"""Lowest and highest corners of body and cabin, metres in the ego frame."""


def draw_chase_view(
    occupancy: SemanticOccupancy, size: tuple[int, int], ego2grid: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Draw the voxels from behind and above the vehicle, and the vehicle as white voxels.

    Args:
        occupancy: What to draw.
        size: (height, width) of the picture.
        ego2grid: (4, 4) where the vehicle stands in the grid's frame.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    height, width = size
    share = np.linspace(0.0, 1.0, height)[:, None, None] ** 0.7
    gradient = np.array(SKY) * (1 - share) + np.array(GROUND) * share
    picture = np.broadcast_to(gradient, (height, width, 3)).astype(np.uint8)
    focal = width / 2 / np.tan(FIELD_OF_VIEW / 2)
    intrinsics = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    view = View(intrinsics, ego2grid @ look_at(EYE, TARGET))
    labels = occupancy.labels.copy()
    vehicle = len(occupancy.classes.names)
    labels[_vehicle_voxels(occupancy.grid, ego2grid) & ~occupancy.occupied] = vehicle
    palette = np.vstack([occupancy.classes.palette(), np.array([VEHICLE], np.uint8)])
    faces = exposed_faces(labels, occupancy.classes.free)
    return paint_voxels(picture, faces, occupancy.grid, palette, view, opacity=1.0, fade=FADE)


def _vehicle_voxels(grid: VoxelGrid, ego2grid: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(X, Y, Z) true for the voxels that the vehicle's boxes reach into."""
    step = min(grid.voxel_size) / 2
    mask = np.zeros(grid.shape, bool)
    for lower, upper in VEHICLE_BOXES:
        axes = [np.arange(low, high, step) for low, high in zip(lower, upper, strict=True)]
        points = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 3)
        index, inside = grid.index(transform_points(ego2grid, points))
        mask[tuple(index[inside].T)] = True
    return mask


def look_at(eye: tuple, target: tuple) -> NDArray[np.float64]:
    """(4, 4) optical frame (x right, y down, z forward) at ``eye``, looking at ``target``."""
    forward = np.subtract(target, eye) / np.linalg.norm(np.subtract(target, eye))
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = eye
    return pose
