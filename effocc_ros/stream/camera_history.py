# SPDX-License-Identifier: Apache-2.0
"""The calibrations of all cameras over time."""

from collections import deque
from typing import Any

import numpy as np

from effocc_ros.errors import InputError
from effocc_ros.stream.camera_models import camera_model
from effocc_ros.stream.camera_view import CameraModel

REMEMBERED = 32
"""Calibrations of one camera that are kept, for images that wait."""


class CameraModels:
    """The calibrations of all cameras over time: they may change within a recording."""

    def __init__(self):
        self._known: dict[str, deque[tuple[int, CameraModel]]] = {}
        self._messages: dict[str, tuple] = {}
        self._refused: dict[str, InputError] = {}

    def __contains__(self, camera: str) -> bool:
        """Whether a CameraInfo has come, good or bad."""
        return camera in self._known or camera in self._refused

    def add(
        self, camera: str, message: Any, rectified: bool, clock_offset: int = 0
    ) -> CameraModel | None:
        """Add a CameraInfo; return its model, None where nothing has changed.

        Args:
            camera: The camera's name.
            message: sensor_msgs CameraInfo.
            rectified: Whether the camera's images are rectified already.
            clock_offset: Nanoseconds that are added to its stamp.

        Raises:
            InputError: It cannot be used; the ones before it hold.
        """
        content = (*_content(message), rectified)
        if self._messages.get(camera) == content:
            return None
        try:
            model = camera_model(message, camera, rectified)
        except InputError as error:
            self._refused[camera] = error
            raise
        self._messages[camera] = content
        stamp = int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)
        stamp += clock_offset
        history = self._known.setdefault(camera, deque(maxlen=REMEMBERED))
        while history and history[-1][0] >= stamp:  # sent again, or time has jumped back
            history.pop()
        history.append((stamp, model))
        return model

    def at(self, camera: str, stamp: int) -> CameraModel:
        """Return the model that holds for an image; the first one for images before it.

        Raises:
            KeyError: No CameraInfo of that camera has come.
            InputError: None of them could be used.
        """
        if camera not in self._known and camera in self._refused:
            raise self._refused[camera]
        history = self._known[camera]
        return next((model for since, model in reversed(history) if since <= stamp), history[0][1])


def _content(message: Any) -> tuple:
    part = message.roi
    return (
        message.header.frame_id,
        message.distortion_model,
        *(np.asarray(values, np.float64).tobytes() for values in (message.k, message.p)),
        *(np.asarray(values, np.float64).tobytes() for values in (message.r, message.d)),
        *(message.width, message.height, message.binning_x, message.binning_y),
        *(part.x_offset, part.y_offset, part.width, part.height),
    )
