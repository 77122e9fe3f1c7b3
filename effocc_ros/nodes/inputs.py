# SPDX-License-Identifier: Apache-2.0
"""Subscriptions of the node: every message goes into the stream, and nothing else happens."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import CompressedImage, Image, PointCloud2

from effocc_ros.errors import InputError
from effocc_ros.nodes.executor import survive
from effocc_ros.nodes.lockstep import header_stamp
from effocc_ros.nodes.newest import Newest
from effocc_ros.nodes.numbering import Numbering, WithInfo
from effocc_ros.nodes.to_message import stamp_of
from effocc_ros.nodes.topics import ONCE, Topic, check_remappings, wanted_profiles
from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream import Stream

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError


SLICE_SECONDS = 0.02
"""How long messages that were kept are handled before whatever else waits has its turn."""


class Inputs:
    """Subscribes to ``~/input/*`` and tf and feeds a stream.

    Args:
        node: The node that subscribes.
        stream: Takes the messages.
        received: Called with the time after each message: it may complete a frame.
        useless: Called with the stamp of a reference message that cannot be used.
        call_soon: Runs a function in the executor's thread.

    Attributes:
        counts: Messages handled by topic, since it was subscribed to.
        lost: Messages that were sent and never came, or that were left out, by sensor; those of
            a camera's calibration by ``<camera> camera_info``.
        left_out: How many were left out, all in all, for more came than could be handled.
        postponing: Whether messages are kept for later.
    """

    def __init__(
        self,
        node: Node,
        stream: Stream,
        received: Callable[[float], None],
        useless: Callable[[int], None],
        call_soon: Callable[[Callable[[], None]], None],
    ):
        self._node, self._clock = node, node.get_clock()
        self._stream, self._received, self._useless = stream, received, useless
        self._call_soon = call_soon
        self._subscriptions: dict[Topic, list[Subscription]] = {}
        self._numbering: dict[Topic, Numbering] = {}
        self._callbacks: dict[Topic, Callable[[Any, float], None]] = {}
        self._counts_before: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.left_out, self.postponing = 0, False
        self._kept = Newest[Topic]()
        self._round: deque[tuple[Topic, bytes]] = deque()

    @property
    def topics(self) -> tuple[Topic, ...]:
        """What it subscribes to."""
        return tuple(self._subscriptions)

    def now(self) -> float:
        """Return the seconds on the node's clock."""
        return self._clock.now().nanoseconds / NANOSECONDS

    def subscribe(self, topics: Iterable[Topic]) -> list[Topic]:
        """Subscribe to what is not subscribed to yet; return the topics that are new.

        Raises:
            InputError: Two sensors are remapped to one topic, or one to an output of this node.
        """
        topics = list(topics)
        check_remappings(self._node, topics)
        new = [topic for topic in topics if topic not in self._subscriptions]
        for topic in new:
            self.counts[topic.name] = 0
            self._subscriptions[topic] = []
            self._numbering[topic] = Numbering()
            self._callbacks[topic] = self._callback(topic)
            self.follow(topic)
        return new

    def keep(self, topics: Iterable[Topic]) -> None:
        """Unsubscribe from all but these."""
        kept = set(topics)
        for topic in set(self._subscriptions) - kept:
            for subscription in self._subscriptions.pop(topic):
                self._node.destroy_subscription(subscription)

    def publishers(self, topic: Topic) -> list[TopicEndpointInfo]:
        """Return who publishes an input, of whatever type."""
        return self._node.get_publishers_info_by_topic(self._node.resolve_topic_name(topic.name))

    def follow(self, topic: Topic) -> None:
        """Subscribe anew where the publishers offer something else than was asked for."""
        if topic not in self._subscriptions:
            return  # it was given up meanwhile
        offers = [
            each.qos_profile
            for each in self.publishers(topic)
            if each.topic_type == topic.type_name
        ]
        if self._subscriptions[topic] and not offers:
            return  # nobody to follow
        present = {_asked(each.qos_profile): each for each in self._subscriptions[topic]}
        wanted = {_asked(each): each for each in wanted_profiles(topic, offers)}
        for asked in present.keys() - wanted.keys():
            self._node.destroy_subscription(present.pop(asked))
        for asked in wanted.keys() - present.keys():
            present[asked] = self._subscription(topic, wanted[asked])
        self._subscriptions[topic] = list(present.values())

    def postpone(self) -> None:
        """Only keep what comes, as many messages of each topic as its depth, and handle it later.

        Keeping a message costs little. They are handled by tasks of a slice of time each, which
        wait behind all that has come meanwhile, so that nothing else that the executor is to do
        waits for longer than that. Once none is left, messages are handled as they come again.
        """
        if not self.postponing:
            self.postponing = True
            self._call_soon(self._take_next)

    def _take_next(self) -> None:
        # In rounds: were it always the oldest of all, busy topics would never have their turn.
        self._round = self._round or deque(self._kept.take())
        if not self._round:
            self.postponing = False
            return
        end = time.monotonic() + SLICE_SECONDS
        while self._round and time.monotonic() < end:
            topic, raw = self._round.popleft()
            if topic in self._subscriptions:
                survive(self._node, partial(self._take, topic, raw))
        self._call_soon(self._take_next)

    def stalled(self) -> list[Topic]:
        """Return the inputs of which nothing came since the last call, or ever if sent once."""
        before, self._counts_before = self._counts_before, Counter(self.counts)
        return [
            topic
            for topic in self.topics
            if self.counts[topic.name] == (0 if topic.what in ONCE else before[topic.name])
        ]

    def _subscription(self, topic: Topic, qos: QoSProfile) -> Subscription:
        # Raw: an executor drops what it cannot decode, and nobody hears of it.
        take = WithInfo(partial(self._arrived, topic))
        create = partial(
            self._node.create_subscription, topic.kind, topic.name, take, qos, raw=True
        )
        events = {
            "message_lost": partial(self._note_lost, topic),
            # Not at once: it would destroy the subscription whose event this is.
            "incompatible_qos": lambda _: self._call_soon(partial(self.follow, topic)),
        }
        try:
            return create(event_callbacks=SubscriptionEventCallbacks(**events))
        except UnsupportedEventTypeError:  # by this middleware
            return create()

    def _callback(self, topic: Topic) -> Callable[[Any, float], None]:
        """Return what takes a message of a topic and the time."""
        stream = self._stream
        return {
            "image": partial(self._image, topic.sensor),
            "camera_info": lambda message, _: stream.add_camera_info(topic.sensor, message),
            "points": partial(self._points, topic.sensor),
            "odometry": stream.add_odometry,
            "tf": lambda message, now: stream.add_transforms(message, False, now),
            "tf_static": lambda message, now: stream.add_transforms(message, True, now),
        }[topic.what]

    def _arrived(self, topic: Topic, raw: bytes, info: Mapping[str, Any]) -> None:
        self.lost[topic.counted_as] += self._numbering[topic].lost_before(info)
        if self.postponing:
            full = self._kept.add(topic, raw, topic.depth)
            self.lost[topic.counted_as] += full
            self.left_out += full
        else:
            self._take(topic, raw)

    def _take(self, topic: Topic, raw: bytes) -> None:
        self.counts[topic.name] += 1
        try:
            message = deserialize_message(raw, topic.kind)
        except RuntimeError:  # rclpy's RMWError
            self._stream.refuse(topic.sensor, _undecodable(topic, raw))
            stamp = header_stamp(raw)
            if stamp and topic.what in ("image", "points") and self._makes_frames(topic.sensor):
                self._useless(stamp)
            return
        now = self.now()
        self._callbacks[topic](message, now)
        self._received(now)

    def _note_lost(self, topic: Topic, event) -> None:
        if not self._numbering[topic].known:
            self.lost[topic.counted_as] += event.total_count_change

    def _image(self, camera: str, message: Image | CompressedImage, now: float) -> None:
        usable = self._stream.add_image(camera, message, now)
        if not usable and self._makes_frames(camera):
            self._useless(stamp_of(message.header.stamp))

    def _points(self, lidar: str, message: PointCloud2, now: float) -> None:
        usable = self._stream.add_points(message, now, lidar)
        if not usable and self._makes_frames(lidar):
            self._useless(stamp_of(message.header.stamp))

    def _makes_frames(self, sensor: str) -> bool:
        return self._stream.topic_sensor(self._stream.reference) == sensor


def _undecodable(topic: Topic, raw: bytes) -> InputError:
    return InputError(
        f"{topic.what} of {topic.sensor}",
        found=f"{len(raw)} bytes that cannot be decoded",
        expected=f"a {topic.type_name}",
        do="Compare the publisher's definition of that message with the one here",
        reason="undecodable",
    )


def _asked(profile: QoSProfile) -> tuple[ReliabilityPolicy, DurabilityPolicy]:
    return profile.reliability, profile.durability
