# SPDX-License-Identifier: Apache-2.0
"""The grid from above: the highest class of each column, forward up, left to the left."""

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.geometry import VoxelGrid
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.visualization.text import BRIGHT, PANEL, Color, put_text

RINGS_METRES = 10.0
EGO_SIZE = (4.6, 1.9)
"""Length and width of the marked vehicle in metres."""
EGO_FORWARD = 1.4
"""How far its middle lies before the origin (the rear axle) in metres."""


def draw_birds_eye(
    occupancy: SemanticOccupancy,
    size: int,
    *,
    background: Color = PANEL,
    ego2grid: NDArray[np.float64] | None = None,
) -> NDArray[np.uint8]:
    """Draw the grid from above with relief, distance rings and the vehicle.

    Args:
        occupancy: What to draw.
        size: Height of the picture in pixels; its width follows from the grid.
        background: Colour of columns in which all is free.
        ego2grid: (4, 4) where the vehicle stands in the grid's frame; at its origin when absent.

    Returns:
        (size, W, 3) uint8 RGB. +x of the grid is up, +y is left.
    """
    grid = occupancy.grid
    colors = _relief(occupancy, background)
    # (X, Y) to rows from far to near and columns from left to right.
    picture = np.ascontiguousarray(colors[::-1, ::-1])
    width = round(size * grid.shape[1] / grid.shape[0])
    shrinks = size < grid.shape[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST
    picture = cv2.resize(picture, (width, size), interpolation=how)
    pose = np.eye(4) if ego2grid is None else ego2grid
    _draw_rings(picture, grid, pose)
    _draw_vehicle(picture, grid, pose)
    return picture


def _relief(occupancy: SemanticOccupancy, background: Color) -> NDArray[np.uint8]:
    """(X, Y, 3) class colours; higher is brighter, and edges catch light from the front left."""
    occupied = occupancy.occupied
    levels = occupancy.labels.shape[2]
    height = np.where(occupied, np.arange(1, levels + 1), 0).max(axis=2).astype(np.float32)
    toward_light = np.pad(height, 1, mode="edge")[2:, 2:]
    slope = np.clip(height - toward_light, -4, 4) / 4
    light = 0.74 + 0.26 * height / levels + 0.14 * slope
    colors = occupancy.classes.palette()[occupancy.bird_eye_labels()] * light[..., None]
    colors = np.where(height[..., None] > 0, colors, np.array(background))
    return np.clip(colors, 0, 255).astype(np.uint8)


def _draw_rings(picture: NDArray[np.uint8], grid: VoxelGrid, pose: NDArray) -> None:
    """Distance rings and their metres, lightly, so that the classes stay readable."""
    middle = _pixels(np.zeros((1, 2)), grid, pose, picture.shape)[0]
    pixels_per_metre = picture.shape[0] / (grid.upper[0] - grid.lower[0])
    reach = max(grid.upper[0], -grid.lower[0])
    layer = picture.copy()
    radii = np.arange(RINGS_METRES, reach + 0.1, RINGS_METRES)
    for radius in radii:
        center = (round(middle[0]), round(middle[1]))
        cv2.circle(layer, center, round(radius * pixels_per_metre), BRIGHT, 1, cv2.LINE_AA)
    picture[:] = cv2.addWeighted(layer, 0.35, picture, 0.65, 0)
    for radius in radii[1::2]:
        place = middle[0] + 6, middle[1] - radius * pixels_per_metre + 16
        put_text(picture, f"{radius:.0f} m", (place[0] + 1, place[1] + 1), 11, (0, 0, 0))
        put_text(picture, f"{radius:.0f} m", place, 11, BRIGHT)


def _draw_vehicle(picture: NDArray[np.uint8], grid: VoxelGrid, pose: NDArray) -> None:
    length, width = EGO_SIZE
    front, back = EGO_FORWARD + length / 2, EGO_FORWARD - length / 2
    half = width / 2
    nose = front - 0.7
    outline = [
        (front, 0.3),
        (nose, half),
        (back, half),
        (back, -half),
        (nose, -half),
        (front, -0.3),
    ]
    polygon = np.round(_pixels(np.array(outline), grid, pose, picture.shape) * 16).astype(np.int32)
    cv2.fillPoly(picture, [polygon], BRIGHT, cv2.LINE_AA, 4)
    cv2.polylines(picture, [polygon], True, (20, 20, 20), 2, cv2.LINE_AA, 4)


def _pixels(
    points: NDArray[np.float64], grid: VoxelGrid, pose: NDArray, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """(n, 2) columns and rows in the picture of points (n, 2), x and y in the ego frame."""
    place = points @ pose[:2, :2].T + pose[:2, 3]
    extent = np.subtract(grid.upper, grid.lower)[:2]
    share = (np.array(grid.upper[:2]) - place) / extent
    return np.stack([share[:, 1] * shape[1], share[:, 0] * shape[0]], axis=1)
