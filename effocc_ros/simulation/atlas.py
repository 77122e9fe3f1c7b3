# SPDX-License-Identifier: Apache-2.0
"""All textures in one array, with coarser copies for surfaces far away."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.simulation.textures import MAKERS, SIZE

LEVELS = SIZE.bit_length()
_LEVEL_START = np.cumsum([0] + [(SIZE >> k) ** 2 for k in range(LEVELS)]).astype(np.int32)
_TEXELS_A_TEXTURE = int(_LEVEL_START[-1])


class Atlas:
    """Textures packed for one gather per pixel.

    Texels are stored as square roots in 8 bits (red, green, blue, emission), which keeps dark
    asphalt as finely graded as bright paint; the reader squares them.

    Attributes:
        index: Number of each texture by name.
        texels_per_metre: (T, 2) float32 along u and v.
    """

    def __init__(self):
        self.index = {name: number for number, name in enumerate(MAKERS)}
        tiles = [
            make(np.random.default_rng([11, number]))
            for number, make in enumerate(MAKERS.values())
        ]
        self.texels_per_metre = np.float32([[SIZE / m for m in tile.metres] for tile in tiles])
        self._texels = np.concatenate([_pyramid(tile.texels) for tile in tiles]).view(np.uint32)[
            :, 0
        ]

    def sample(
        self, texture: NDArray, u: NDArray, v: NDArray, level: NDArray
    ) -> NDArray[np.uint8]:
        """Look textures up.

        Args:
            texture: (N,) numbers of the textures.
            u: (N,) float32 texels of level 0; any value, tiles repeat.
            v: Likewise.
            level: (N,) mip level, 0 is the finest.

        Returns:
            (N, 4) uint8 square roots of red, green, blue, emission.
        """
        level = np.clip(level, 0, LEVELS - 1).astype(np.int32)
        column = (np.floor(u).astype(np.int32) & (SIZE - 1)) >> level
        row = (np.floor(v).astype(np.int32) & (SIZE - 1)) >> level
        place = texture * _TEXELS_A_TEXTURE + np.take(_LEVEL_START, level)
        place += (row << (LEVELS - 1 - level)) + column
        return np.take(self._texels, place).view(np.uint8).reshape(-1, 4)


def _pyramid(texels: NDArray[np.float32]) -> NDArray[np.uint8]:
    levels = [
        cv2.resize(texels, (SIZE >> k, SIZE >> k), interpolation=cv2.INTER_AREA)
        for k in range(LEVELS)
    ]
    flat = np.concatenate([level.reshape(-1, 4) for level in levels])
    return np.ascontiguousarray((np.sqrt(np.clip(flat, 0, 1)) * 255 + 0.5).astype(np.uint8))


@lru_cache(maxsize=1)
def atlas() -> Atlas:
    """Return the one atlas of this process, made at the first call."""
    return Atlas()
