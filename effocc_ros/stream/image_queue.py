# SPDX-License-Identifier: Apache-2.0
"""The newest images of one camera, by their stamps."""

from bisect import insort
from itertools import pairwise
from statistics import median
from typing import Any

from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.trigger import DUPLICATE, JUMP_BACK, OUT_OF_ORDER


class ImageQueue:
    """Keeps the images of one camera, oldest first, whatever order they come in."""

    def __init__(self):
        self._images: list[tuple[int, Any]] = []

    @property
    def newest(self) -> int | None:
        """Stamp of the newest image, None where there is none."""
        return self._images[-1][0] if self._images else None

    def add(self, stamp: int, message: Any, size: int) -> str:
        """Add an image and keep the newest.

        Args:
            stamp: Nanoseconds.
            message: The image.
            size: Images that are kept.

        Returns:
            Why it is no news, empty where it is. One that is out of order is kept all the same.
        """
        if self._images and stamp < self._images[-1][0] - JUMP_BACK:
            self._images.clear()
        if any(known == stamp for known, _ in self._images):
            return DUPLICATE
        late = bool(self._images) and stamp < self._images[-1][0]
        insort(self._images, (stamp, message), key=lambda image: image[0])
        del self._images[:-size]
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
        stamps = self.stamps
        if len(stamps) < 3:
            return 0.0
        return median(after - before for before, after in pairwise(stamps)) / NANOSECONDS
