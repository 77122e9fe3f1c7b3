# SPDX-License-Identifier: Apache-2.0
"""Which topics the node subscribes to, and with which QoS."""

from collections.abc import Iterable
from dataclasses import dataclass

from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from tf2_msgs.msg import TFMessage

from effocc_ros.errors import InputError
from effocc_ros.nodes.settings import NodeSettings
from effocc_ros.stream import StreamConfig

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
VOLATILE, LATCHED = DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL

TRANSFORM_DEPTH = 100

ONCE = ("tf_static", "camera_info")
"""Inputs that may be sent once and hold from then on."""


@dataclass(frozen=True)
class Topic:
    """One input.

    Attributes:
        sensor: Camera or LiDAR that it belongs to; ``tf`` for transforms.
        what: ``image``, ``camera_info``, ``points``, ``odometry``, ``tf`` or ``tf_static``.
        name: As the node calls it, before remapping.
        kind: Message class.
        reliability: ``reliable``, ``best_effort``, or ``auto``: what its publishers offer.
        depth: Messages that are kept.
    """

    sensor: str
    what: str
    name: str
    kind: type
    reliability: str = "auto"
    depth: int = TRANSFORM_DEPTH

    @property
    def counted_as(self) -> str:
        """Under which name its lost messages are counted: its sensor's, if it is its main one."""
        return f"{self.sensor} {self.what}" if self.what == "camera_info" else self.sensor

    @property
    def type_name(self) -> str:
        """Such as ``sensor_msgs/msg/Image``."""
        return f"{self.kind.__module__.split('.', 1)[0]}/msg/{self.kind.__name__}"


def sensor_topics(settings: NodeSettings, config: StreamConfig, lidar: bool) -> list[Topic]:
    """Return what a stream, with its LiDARs or not, subscribes to."""
    qos = settings.reliability, settings.queue_depth
    topics = []
    for camera in config.sync.cameras:
        raw = settings.image_transport == "raw" or camera in settings.raw_cameras
        image = Image if raw else CompressedImage
        topics.append(Topic(camera, "image", f"~/input/{camera}/image", image, *qos))
        name = f"~/input/{camera}/camera_info"
        topics.append(Topic(camera, "camera_info", name, CameraInfo, *qos))
    for name in config.lidars if lidar else ():
        topics.append(Topic(name, "points", reference_topic(config, name), PointCloud2, *qos))
    if settings.odometry:
        topics.append(Topic("tf", "odometry", "~/input/odometry", Odometry))
    return [*topics, *TF_TOPICS]


def reference_topic(config: StreamConfig, sensor: str) -> str:
    """Return the topic on which a sensor's images or points come."""
    if sensor == config.lidar:
        return "~/input/points"
    return f"~/input/{sensor}/{'points' if sensor in config.other_lidars else 'image'}"


TF_TOPICS = [
    Topic("tf", "tf", "/tf", TFMessage),
    Topic("tf", "tf_static", "/tf_static", TFMessage),
]


def wanted_profiles(topic: Topic, offers: Iterable[QoSProfile]) -> list[QoSProfile]:
    """Return what to ask for so that every publisher is heard, a subscription for each.

    A reliable subscription does not hear best-effort publishers, and a latched (transient local)
    one does not hear volatile ones, while a volatile one misses what a latched publisher sent
    before. So what is usually latched has two.

    Args:
        topic: The input.
        offers: QoS of its publishers, as far as they are known.
    """
    offers = list(offers)
    reliability = {"reliable": RELIABLE, "best_effort": BEST_EFFORT}.get(topic.reliability)
    if reliability is None:
        best_effort = any(offer.reliability == BEST_EFFORT for offer in offers)
        reliability = BEST_EFFORT if best_effort else RELIABLE
    durabilities = [VOLATILE]
    if topic.what == "tf_static":  # from the start: a volatile one is sent once, too
        durabilities = [LATCHED, VOLATILE]
    elif topic.what == "camera_info" and any(offer.durability == LATCHED for offer in offers):
        volatile = any(offer.durability != LATCHED for offer in offers)
        durabilities = [LATCHED, VOLATILE] if volatile else [LATCHED]
    return [
        QoSProfile(depth=topic.depth, reliability=reliability, durability=durability)
        for durability in durabilities
    ]


def check_remappings(node: Node, topics: Iterable[Topic]) -> None:
    """Check that each sensor has a topic of its own, and none that the node itself publishes.

    Raises:
        InputError: One has not.
    """
    taken = {publisher.topic_name: "an output of this node" for publisher in node.publishers}
    for topic in topics:
        name = node.resolve_topic_name(topic.name)
        if name in taken:
            raise InputError(
                f"input {topic.name}",
                found=f"topic {name}, which is {taken[name]}",
                expected="a topic of its own",
                do="Check remappings and rig",
                reason="shared_topic",
            )
        if topic.what in ("image", "camera_info", "points"):
            taken[name] = f"that of {topic.sensor}"
