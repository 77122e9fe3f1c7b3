"""Subscriptions of the node: every message goes into the stream, and nothing else happens."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from tf2_msgs.msg import TFMessage

from effocc_ros.nodes.settings import NodeSettings
from effocc_ros.nodes.to_message import stamp_of
from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream import Stream

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

RELIABILITY = {
    "best_effort": ReliabilityPolicy.BEST_EFFORT,
    "reliable": ReliabilityPolicy.RELIABLE,
}
TRANSFORMS = QoSProfile(depth=100)
STATIC_TRANSFORMS = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@dataclass(frozen=True)
class Topic:
    """One subscription.

    Attributes:
        sensor: Camera or LiDAR that it belongs to; ``tf`` for transforms.
        what: ``image``, ``camera_info``, ``points``, ``tf`` or ``tf_static``.
        name: As the node calls it, before remapping.
        kind: Message class.
        qos: What the subscription asks for.
    """

    sensor: str
    what: str
    name: str
    kind: type
    qos: QoSProfile = field(compare=False)


def sensor_topics(settings: NodeSettings, cameras: Iterable[str], lidar: bool) -> list[Topic]:
    """Return what a stream of some cameras, and of the LiDAR or not, subscribes to."""
    qos = QoSProfile(depth=settings.queue_depth, reliability=RELIABILITY[settings.reliability])
    image = CompressedImage if settings.image_transport == "compressed" else Image
    topics = []
    for camera in cameras:
        topics.append(Topic(camera, "image", f"~/input/{camera}/image", image, qos))
        name = f"~/input/{camera}/camera_info"
        topics.append(Topic(camera, "camera_info", name, CameraInfo, qos))
    if lidar:
        topics.append(Topic(settings.lidar, "points", "~/input/points", PointCloud2, qos))
    return topics


TF_TOPICS = [
    Topic("tf", "tf", "/tf", TFMessage, TRANSFORMS),
    Topic("tf", "tf_static", "/tf_static", TFMessage, STATIC_TRANSFORMS),
]


class Inputs:
    """Subscribes to ``~/input/*`` and tf and feeds a stream.

    Args:
        node: The node that subscribes.
        stream: Takes the messages.
        received: Called after each message that may complete a frame.
        useless: Called with the stamp of a reference message that cannot be used.

    Attributes:
        counts: Messages received by topic, since it was subscribed to.
        lost: Messages by sensor that the middleware says it lost.
    """

    def __init__(
        self,
        node: Node,
        stream: Stream,
        received: Callable[[], None],
        useless: Callable[[int], None],
    ):
        self._node, self._clock = node, node.get_clock()
        self._stream, self._received, self._useless = stream, received, useless
        self._subscriptions: dict[Topic, Subscription] = {}
        self.counts: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()

    @property
    def topics(self) -> tuple[Topic, ...]:
        """What it subscribes to."""
        return tuple(self._subscriptions)

    def now(self) -> float:
        """Return the seconds on the node's clock."""
        return self._clock.now().nanoseconds / NANOSECONDS

    def subscribe(self, topics: Iterable[Topic]) -> list[Topic]:
        """Subscribe to what is not subscribed to yet; return the topics that are new."""
        new = [topic for topic in topics if topic not in self._subscriptions]
        for topic in new:
            self.counts[topic.name] = 0
            self._subscriptions[topic] = self._subscription(topic)
        return new

    def keep(self, topics: Iterable[Topic]) -> None:
        """Unsubscribe from all but these."""
        kept = set(topics)
        for topic in set(self._subscriptions) - kept:
            self._node.destroy_subscription(self._subscriptions.pop(topic))

    def _subscription(self, topic: Topic) -> Subscription:
        callback = partial(self._take, topic.name, self._callback(topic))
        create = partial(
            self._node.create_subscription, topic.kind, topic.name, callback, topic.qos
        )
        lost = SubscriptionEventCallbacks(message_lost=partial(self._note_lost, topic.sensor))
        try:
            return create(event_callbacks=lost)
        except UnsupportedEventTypeError:  # by this middleware
            return create()

    def _callback(self, topic: Topic) -> Callable:
        return {
            "image": partial(self._image, topic.sensor),
            "camera_info": partial(self._stream.add_camera_info, topic.sensor),
            "points": self._points,
            "tf": partial(self._stream.add_transforms, static=False),
            "tf_static": partial(self._stream.add_transforms, static=True),
        }[topic.what]

    def _take(self, name: str, callback: Callable, message) -> None:
        self.counts[name] += 1
        callback(message)
        self._received()

    def _note_lost(self, sensor: str, event) -> None:
        self.lost[sensor] += event.total_count_change

    def _image(self, camera: str, message: Image | CompressedImage) -> None:
        usable = self._stream.add_image(camera, message, self.now())
        if camera == self._stream.reference and not usable:
            self._useless(stamp_of(message.header.stamp))

    def _points(self, message: PointCloud2) -> None:
        usable = self._stream.add_points(message, self.now())
        if not usable and self._stream.reference == self._stream.config.lidar:
            self._useless(stamp_of(message.header.stamp))
