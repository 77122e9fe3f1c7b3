# SPDX-License-Identifier: Apache-2.0
"""Things that move: a shape, and where it is at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from effocc_ros.simulation.raycast import Surface
from effocc_ros.simulation.trajectory import Motion


@dataclass(frozen=True)
class Agent:
    """A moving thing.

    Attributes:
        shapes: Its surfaces over one cycle of its gait; a rigid thing has one.
        motion: Its path.
        stride: Metres of one cycle of its gait.
    """

    shapes: tuple[Surface, ...]
    motion: Motion
    stride: float = 1.0

    def at(self, time: float) -> tuple[Surface, NDArray[np.float64]]:
        """Return shape and (4, 4) pose at ``time`` in seconds."""
        if len(self.shapes) == 1:
            return self.shapes[0], self.motion.pose(time)
        steps = self.motion.travelled(time) / self.stride * len(self.shapes)
        return self.shapes[int(np.floor(steps)) % len(self.shapes)], self.motion.pose(time)

    @cached_property
    def outline(self) -> NDArray[np.float64]:
        """(4,) least x, y and greatest x, y of all its shapes, metres."""
        bounds = np.array([shape.mesh.bounds() for shape in self.shapes])[:, :, :2]
        return np.concatenate([bounds[:, 0].min(axis=0), bounds[:, 1].max(axis=0)])


def corners(outline: NDArray, places: NDArray) -> NDArray[np.float64]:
    """Return the corners (T, 4, 2) of a rectangle at places (T, 3): x, y, heading."""
    x0, y0, x1, y1 = outline
    local = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    cosine, sine = np.cos(places[:, 2])[:, None], np.sin(places[:, 2])[:, None]
    x = places[:, :1] + cosine * local[:, 0] - sine * local[:, 1]
    y = places[:, 1:2] + sine * local[:, 0] + cosine * local[:, 1]
    return np.stack([x, y], axis=-1)


def touch(one: NDArray, other: NDArray) -> NDArray[np.bool_]:
    """Tell which pairs of rectangles (T, 4, 2) overlap (T,), by separating axes."""
    apart = np.zeros(len(one), bool)
    for box in (one, other):
        for k in (0, 1):
            edge = box[:, k + 1] - box[:, k]
            normal = np.stack([-edge[:, 1], edge[:, 0]], axis=-1)[:, :, None]
            a, b = (one @ normal)[..., 0], (other @ normal)[..., 0]
            apart |= (a.max(axis=1) < b.min(axis=1)) | (b.max(axis=1) < a.min(axis=1))
    return ~apart


class Admission:
    """Lets things onto a street that touch none of those admitted before, at any time.

    Args:
        duration_s: Length of the drive in seconds.
        standing: (M, 4, 2) corners of what stands still.
        gap: Room that is kept around everything, metres.
    """

    STEP = 0.1

    def __init__(self, duration_s: float, standing: Sequence[NDArray] = (), gap: float = 0.25):
        self._times = np.arange(-0.1, duration_s + 0.2, self.STEP)
        self._gap = gap
        self._boxes: list[NDArray] = []
        self._circles: list[NDArray] = []  # x, y and radius at each time
        self._standing = np.reshape(np.asarray(standing, float), (-1, 4, 2))
        self._still = _circles(self._standing)

    def admit(self, outline: NDArray, motion: Motion) -> bool:
        """Keep a place for a thing, or return False when it is taken."""
        room = np.asarray(outline, float) + self._gap / 2 * np.array([-1, -1, 1, 1])
        boxes = corners(room, motion.places(self._times))
        circle = _circles(boxes)
        for number, other in enumerate(self._circles):
            near = _near(circle, other)
            if near.any() and touch(boxes[near], self._boxes[number][near]).any():
                return False
        when, which = np.nonzero(_near(circle[:, None], self._still[None]))
        if touch(boxes[when], self._standing[which]).any():
            return False
        self._boxes.append(boxes)
        self._circles.append(circle)
        return True


def _circles(boxes: NDArray) -> NDArray[np.float64]:
    """Return middle and radius (..., 3) of rectangles (..., 4, 2)."""
    middle = boxes.mean(axis=-2)
    radius = np.linalg.norm(boxes[..., 0, :] - middle, axis=-1)
    return np.concatenate([middle, radius[..., None]], axis=-1)


def _near(one: NDArray, other: NDArray) -> NDArray[np.bool_]:
    away = one - other
    reach = one[..., 2] + other[..., 2]
    return away[..., 0] ** 2 + away[..., 1] ** 2 < reach**2
