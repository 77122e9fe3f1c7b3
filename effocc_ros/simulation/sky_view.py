# SPDX-License-Identifier: Apache-2.0
"""How much of the sky a point sees: cheap ambient occlusion from a map of heights."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.simulation.raycast import Surface

CELL = 0.25
"""Edge of a cell in metres."""


class SkyView:
    """Heights around a point, smoothed over a narrow and a wide neighbourhood.

    What stands higher than a point nearby hides sky from it, in proportion to the mean height
    above it and against the width of the neighbourhood.

    Args:
        static: What never moves.
        level: Height of the ground below a point, from x and y in metres.
    """

    def __init__(self, static: Surface, level: Callable[[NDArray, NDArray], NDArray]):
        low, high = static.mesh.bounds()
        self._low = low[:2].astype(np.float32)
        shape = tuple(int(k) for k in np.ceil((high - low)[:2] / CELL))
        x, y = (low[k] + (np.arange(shape[k]) + 0.5) * CELL for k in (0, 1))
        origins = np.stack(
            [*np.meshgrid(x, y, indexing="ij"), np.full(shape, high[2] + 5)], axis=-1
        )
        origins = origins.reshape(-1, 3).astype(np.float32)
        down = np.broadcast_to(np.float32([0, 0, -1]), origins.shape)
        faces = static.faces(origins, down)
        drop = static.distance(faces, origins, down)
        self._level = level(x[:, None], y[None]).astype(np.float32)
        height = np.where(faces >= 0, origins[:, 2] - drop - self._level.ravel(), 0)
        height = height.reshape(shape).astype(np.float32)
        self._scales = tuple(
            (cv2.GaussianBlur(np.minimum(height, cap), (0, 0), width / CELL), width)
            for width, cap in ((0.6, 2.5), (3.5, 14.0))
        )

    def share(self, points: NDArray) -> NDArray[np.float32]:
        """Return the share of the sky (N,) that points (3, N) of the map see, 0..1."""
        place = ((points[:2] - self._low[:, None]) * np.float32(1 / CELL)).astype(np.int32)
        rows, columns = self._scales[0][0].shape
        index = np.clip(place[0], 0, rows - 1) * columns + np.clip(place[1], 0, columns - 1)
        height = points[2] - np.take(self._level.reshape(-1), index) + np.float32(0.05)
        hidden = np.ones(points.shape[1], np.float32)
        for heights, width in self._scales:
            above = np.take(heights.reshape(-1), index) - height
            hidden *= 1 + np.float32(0.55 / width) * np.maximum(above, 0)
        return 1 / hidden
