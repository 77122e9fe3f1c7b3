# SPDX-License-Identifier: Apache-2.0
"""Buffers of transforms that move along x."""

import numpy as np

from effocc_ros.geometry import rigid
from effocc_ros.stream.transform_buffer import TransformBuffer

SECOND = 1_000_000_000
LEVEL = [1.0, 0.0, 0.0, 0.0]


def moved(x: float) -> np.ndarray:
    return rigid(LEVEL, [x, 0.0, 0.0])


def buffer(*edges, **settings) -> TransformBuffer:
    """A buffer that was told (parent, child, seconds, pose[, static])."""
    made = TransformBuffer(**settings)
    for parent, child, seconds, pose, *static in edges:
        made.add(parent, child, round(seconds * SECOND), pose, *static)
    return made
