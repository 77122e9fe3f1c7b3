# SPDX-License-Identifier: Apache-2.0
"""LiDAR files as the stream would take the same points: returns alone."""

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from effocc_ros.datasets.files import read_points
from effocc_ros.stream.intensity import WANTED
from effocc_ros.stream.returns import find_returns

logger = logging.getLogger(__name__)

INTENSITY = 3
"""Column of a point's intensity."""

_said: set[tuple[Path, str]] = set()
"""Folder and reason of what was logged."""


def read_returns(path: Path, columns: int) -> NDArray[np.float32]:
    """Read a LiDAR file without what is no return, as ``read_points`` and ``find_returns`` say.

    What is left out is logged once for a folder.

    Returns:
        (N, columns) float32.

    Raises:
        InputError: The file is absent or broken, holds no return, or is not in metres.
    """
    points = read_points(path, columns)
    returns = find_returns(points, path.name, near_are_codes=False)
    for remark in returns.remarks:
        _log_once(path.parent, remark.reason, remark.text)
    return points if returns.kept is None else points[returns.kept]


def say_other_intensity(folder: Path, points: NDArray[np.float32]) -> None:
    """Log, once for a folder, that intensities are not 0..255, as networks are trained on.

    They are used as they are: one file does not tell the scale of a LiDAR.
    """
    values = points[:, INTENSITY]
    most = float(values.max(initial=0.0))
    if most > WANTED or (0.0 < most <= 1.0 and (values % 1).any()):
        text = (
            f"intensity: found values up to {most:g}; expected 0 to 255, as the networks are "
            "trained on. They are used as they are, where a bag of them would be scaled: scale "
            "the files, or train and run on the same ones."
        )
        _log_once(folder, "intensity", text)


def _log_once(folder: Path, reason: str, text: str) -> None:
    if (folder, reason) not in _said:
        _said.add((folder, reason))
        logger.warning("points in %s: %s", folder, text)
