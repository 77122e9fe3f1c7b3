# SPDX-License-Identifier: Apache-2.0
"""The newest images of one camera, by their stamps."""

import sys
from bisect import bisect_left, insort
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.trigger import DUPLICATE, JUMP_BACK, OUT_OF_ORDER, REPEATED

PERIODS = 15
"""Newest images whose distances tell a camera's period."""


class ImageQueue:
    """Keeps the images of one camera, oldest first, whatever order they come in."""

    def __init__(self):
        self._images: list[tuple[int, Any]] = []

    @property
    def newest(self) -> int | None:
        """Stamp of the newest image, None where there is none."""
        return self._images[-1][0] if self._images else None

    def add(
        self, stamp: int, message: Any, least: int, most: int, wanted: int = sys.maxsize
    ) -> str:
        """Add an image and keep the newest.

        Args:
            stamp: Nanoseconds.
            message: The image.
            least: Images that are kept.
            most: Images that are kept where more are wanted.
            wanted: Stamp from which on they are.

        Returns:
            Why it is no news, empty where it is. One that is out of order is kept all the same.
        """
        if self._images and stamp < self._images[-1][0] - JUMP_BACK:
            self._images.clear()
        for known, image in self._images:
            if known == stamp:
                return DUPLICATE if _same_data(image, message) else REPEATED
        late = bool(self._images) and stamp < self._images[-1][0]
        insort(self._images, (stamp, message), key=lambda image: image[0])
        old = bisect_left(self._images, wanted, key=lambda image: image[0])
        del self._images[: max(min(old, len(self._images) - least), len(self._images) - most, 0)]
        return OUT_OF_ORDER if late else ""

    @property
    def stamps(self) -> list[int]:
        """All stamps, oldest first."""
        return [stamp for stamp, _ in self._images]

    def nearest(self, stamp: int) -> tuple[int, Any] | None:
        """Return the stamp and message nearest to a stamp, None where there is no image."""
        return min(self._images, key=lambda image: abs(image[0] - stamp), default=None)

    def begin_anew(self, stamp: int) -> None:
        """Forget the images of the round before, when time has jumped back to a stamp."""
        if self._images and self._images[-1][0] > stamp + JUMP_BACK:
            self._images.clear()

    def period(self) -> float:
        """Return the seconds between its images; 0 before the third."""
        stamps = self.stamps[-PERIODS:]
        if len(stamps) < 3:
            return 0.0
        return median(after - before for before, after in pairwise(stamps)) / NANOSECONDS


def _same_data(one: Any, other: Any) -> bool:
    one, other = (getattr(message, "data", b"") for message in (one, other))
    return len(one) == len(other) and np.array_equal(
        np.frombuffer(one, np.uint8), np.frombuffer(other, np.uint8)
    )
