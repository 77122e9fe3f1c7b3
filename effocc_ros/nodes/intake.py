"""Subscriptions of the node: every message goes into the stream, and nothing else happens."""

import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from tf2_msgs.msg import TFMessage

from effocc_ros.nodes.approximate import ApproximateGate
from effocc_ros.nodes.to_message import stamp_of
from effocc_ros.stream import Stream

RELIABILITY = {
    "best_effort": ReliabilityPolicy.BEST_EFFORT,
    "reliable": ReliabilityPolicy.RELIABLE,
}
TRANSFORMS = QoSProfile(depth=100)
STATIC_TRANSFORMS = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Intake:
    """Subscribes to ``~/input/*`` and tf and feeds a stream.

    Args:
        node: The node that subscribes.
        settings: Its parameters.
        stream: Takes the messages.
        wake: Called after each message that may complete a frame.
        useless: Called with the stamp of a reference message that cannot be used.
        group: Callback group of all subscriptions.
    """

    def __init__(
        self,
        node: Node,
        settings: SimpleNamespace,
        stream: Stream,
        wake: Callable[[], None],
        useless: Callable[[int], None],
        group: CallbackGroup,
    ):
        self._node, self._group = node, group
        self._stream, self._wake, self._useless = stream, wake, useless
        self._subscriptions = []
        qos = QoSProfile(depth=settings.queue_depth, reliability=RELIABILITY[settings.reliability])
        image, points = self._image, self._points
        if settings.synchronizer == "approximate":
            gate = ApproximateGate(settings, image, points)
            image, points = gate.image, gate.points
        image_kind = CompressedImage if settings.image_transport == "compressed" else Image
        for camera in settings.cameras:
            name = f"~/input/{camera}"
            self._subscribe(image_kind, f"{name}/image", partial(image, camera), qos)
            info = partial(stream.add_camera_info, camera)
            self._subscribe(CameraInfo, f"{name}/camera_info", info, qos)
        self._subscribe(PointCloud2, "~/input/points", points, qos)
        for topic, static, tf_qos in (
            ("/tf", False, TRANSFORMS),
            ("/tf_static", True, STATIC_TRANSFORMS),
        ):
            self._subscribe(TFMessage, topic, partial(self._transforms, static), tf_qos)

    def destroy(self) -> None:
        """Unsubscribe from everything."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def _subscribe(self, kind: type, topic: str, callback: Callable, qos: QoSProfile) -> None:
        subscription = self._node.create_subscription(
            kind, topic, callback, qos, callback_group=self._group
        )
        self._subscriptions.append(subscription)

    def _image(self, camera: str, message: Image | CompressedImage) -> None:
        usable = self._stream.add_image(camera, message, time.monotonic())
        if camera == self._stream.config.anchor and not usable:
            self._useless(stamp_of(message.header.stamp))
        self._wake()

    def _points(self, message: PointCloud2) -> None:
        usable = self._stream.add_points(message, time.monotonic())
        if not usable and not self._stream.config.anchor:
            self._useless(stamp_of(message.header.stamp))
        self._wake()

    def _transforms(self, static: bool, message: TFMessage) -> None:
        self._stream.add_transforms(message, static)
        self._wake()
