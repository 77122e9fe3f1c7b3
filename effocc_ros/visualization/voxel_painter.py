# SPDX-License-Identifier: Apache-2.0
"""Voxels painted into a pinhole view as shaded, translucent cubes."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.geometry import VoxelGrid, inverse_rigid
from effocc_ros.visualization.faces import Faces, back_to_front

NEAR = 0.4
"""Nothing nearer than this (metres along the optical axis) is painted; faces are cut there."""
SHADES = (0.8, 0.66, 1.0)
"""Brightness of faces perpendicular to x, y and z: light falls from above."""
EDGE_SHADE = 0.72
"""Brightness of a face's outline relative to the face."""
EDGE_PIXELS = 9.0
"""Faces whose edges are at least this long in the picture get an outline."""
_SUBPIXEL_BITS = 4
_FARTHEST_PIXEL = 1 << 20


@dataclass(frozen=True)
class View:
    """A pinhole camera in the grid's frame.

    Attributes:
        intrinsics: (3, 3) pinhole matrix in pixels of the picture.
        sensor2grid: (4, 4) optical frame (z forward) to the grid's frame.
    """

    intrinsics: NDArray[np.float64]
    sensor2grid: NDArray[np.float64]

    @property
    def eye(self) -> NDArray[np.float64]:
        """(3,) where the camera is, in the grid's frame."""
        return self.sensor2grid[:3, 3]


def paint_voxels(
    picture: NDArray[np.uint8],
    faces: Faces,
    grid: VoxelGrid,
    palette: NDArray[np.uint8],
    view: View,
    *,
    opacity: float = 0.55,
    fade: tuple[float, float] | None = None,
) -> NDArray[np.uint8]:
    """Paint voxel faces over a picture.

    What lies behind other voxels is hidden as if they were solid; only the picture shines through.

    Args:
        picture: (H, W, 3) uint8.
        faces: Exposed faces of the grid's voxels.
        grid: The grid.
        palette: (C, 3) uint8 colour of each class, in the picture's channel order.
        view: The camera that took the picture.
        opacity: 0 leaves the picture, 1 hides it.
        fade: Distances in metres at which colours begin to fade into the picture and are gone.

    Returns:
        A new picture of the same size.
    """
    faces = back_to_front(faces, view.eye, grid)
    corners = _to_optical(faces.corners(grid), view)
    colors, seen = _colors(faces, corners, palette), _in_front(corners, view, picture.shape)
    if fade is not None:
        colors = _faded(colors, corners, fade, picture)
        seen &= np.linalg.norm(corners.mean(axis=1), axis=1) < fade[1]
    paint = picture.copy()
    _fill(paint, corners[seen], colors[seen], view.intrinsics)
    return cv2.addWeighted(paint, opacity, picture, 1.0 - opacity, 0.0)


def _to_optical(corners: NDArray[np.float64], view: View) -> NDArray[np.float64]:
    grid2sensor = inverse_rigid(view.sensor2grid)
    return corners @ grid2sensor[:3, :3].T + grid2sensor[:3, 3]


def _in_front(corners: NDArray, view: View, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """(F,) true for faces that are at least partly in front of the camera and may be in view."""
    height, width = shape[:2]
    depth = corners[..., 2]
    pixel = corners @ view.intrinsics[:2].T
    # Compared times depth, which keeps the sense of the comparison wherever depth is positive,
    # and is on the safe side for corners behind the camera.
    column, row, positive = pixel[..., 0], pixel[..., 1], np.maximum(depth, 0.0)
    out = (
        (depth < NEAR).all(axis=1)
        | (column < 0).all(axis=1)
        | (column > width * positive).all(axis=1)
        | (row < 0).all(axis=1)
        | (row > height * positive).all(axis=1)
    )
    return ~out


def _colors(faces: Faces, corners: NDArray, palette: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(F, 3) shaded colours; neighbours differ a little, so that one can count cubes."""
    shade = np.asarray(SHADES)[faces.axis]
    checker = faces.index.sum(axis=1) & 1
    return palette[faces.label] * (shade * (1.0 - 0.05 * checker))[:, None]


def _faded(
    colors: NDArray, corners: NDArray, fade: tuple[float, float], picture: NDArray
) -> NDArray[np.float64]:
    distance = np.linalg.norm(corners.mean(axis=1), axis=1)
    gone = np.clip((distance - fade[0]) / (fade[1] - fade[0]), 0.0, 1.0)[:, None]
    return colors * (1.0 - gone) + picture.reshape(-1, 3).mean(axis=0) * gone


def _fill(
    paint: NDArray[np.uint8], corners: NDArray, colors: NDArray, intrinsics: NDArray
) -> None:
    """Fill faces (F, 4, 3) in the optical frame, in order, and outline the large ones."""
    crossing = (corners[..., 2] < NEAR).any(axis=1)
    whole = np.where(crossing[:, None, None], 1.0, corners)
    pixels = _pixels(whole, intrinsics)
    edge = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1) * intrinsics[0, 0]
    outlined = (edge >= EDGE_PIXELS * np.maximum(corners[..., 2].mean(axis=1), NEAR)).tolist()
    edge_colors = (colors * EDGE_SHADE).round().tolist()
    colors = colors.round().tolist()
    for number, cut in enumerate(crossing.tolist()):
        polygon = pixels[number]
        if cut:
            polygon = _pixels(clip_near(corners[number]), intrinsics)
        cv2.fillConvexPoly(paint, polygon, colors[number], cv2.LINE_AA, _SUBPIXEL_BITS)
        if outlined[number]:
            edges, color = [polygon], edge_colors[number]
            cv2.polylines(paint, edges, True, color, 1, cv2.LINE_AA, _SUBPIXEL_BITS)


def clip_near(polygon: NDArray[np.float64], near: float = NEAR) -> NDArray[np.float64]:
    """Cut a convex polygon (n, 3) at depth ``near``; the part beyond it (m, 3) is left.

    Sutherland and Hodgman, "Reentrant polygon clipping", 1974, for one plane.
    """
    kept = []
    for start, end in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if start[2] >= near:
            kept.append(start)
        if (start[2] >= near) != (end[2] >= near):
            kept.append(start + (near - start[2]) / (end[2] - start[2]) * (end - start))
    return np.array(kept)


def _pixels(points: NDArray[np.float64], intrinsics: NDArray[np.float64]) -> NDArray[np.int32]:
    """(..., 2) fixed-point pixels of points (..., 3), as cv2's drawing wants them."""
    pixel = (points / points[..., 2:]) @ intrinsics[:2].T
    pixel = np.clip(pixel, -_FARTHEST_PIXEL, _FARTHEST_PIXEL)
    return np.round(pixel * (1 << _SUBPIXEL_BITS)).astype(np.int32)
