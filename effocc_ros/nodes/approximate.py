"""message_filters' ApproximateTimeSynchronizer in front of the stream, where it is wanted."""

from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from effocc_ros.errors import InputError


def message_filters() -> Any:
    """Return the module ``message_filters``.

    Raises:
        InputError: It is not installed; ROS 2's wheels from PyPI do not have it.
    """
    try:
        return import_module("message_filters")
    except ImportError as error:
        raise InputError(
            "parameter synchronizer",
            found=f"approximate, without message_filters ({error})",
            expected="message_filters beside rclpy, or another synchronizer",
            do="Install ros-<distribution>-message-filters, or set synchronizer to auto",
            reason="no_message_filters",
        ) from error


class ApproximateGate:
    """Lets only complete sets through: one image of every camera and one cloud, close in time.

    The images of a set go on before its cloud, so that the LiDAR-triggered stream behind this
    gate finds them there and waits for nothing. One silent camera stops everything, and sweeps
    between the sets are lost: the price of this policy.

    Args:
        settings: The node's parameters: ``cameras``, ``queue_depth`` and ``tolerance``.
        image: Takes the camera's name and its image.
        points: Takes the cloud.
    """

    def __init__(
        self,
        settings: SimpleNamespace,
        image: Callable[[str, Any], None],
        points: Callable[[Any], None],
    ):
        module = message_filters()
        self._forward_image, self._forward_points = image, points
        self._cameras = tuple(settings.cameras)
        self._filters = {name: module.SimpleFilter() for name in (*self._cameras, "points")}
        self._synchronizer = module.ApproximateTimeSynchronizer(
            list(self._filters.values()), settings.queue_depth, settings.tolerance
        )
        self._synchronizer.registerCallback(self._set)

    def image(self, camera: str, message: Any) -> None:
        """Take an image."""
        self._filters[camera].signalMessage(message)

    def points(self, message: Any) -> None:
        """Take a cloud."""
        self._filters["points"].signalMessage(message)

    def _set(self, *messages: Any) -> None:
        *images, cloud = messages
        for camera, message in zip(self._cameras, images, strict=True):
            self._forward_image(camera, message)
        self._forward_points(cloud)
