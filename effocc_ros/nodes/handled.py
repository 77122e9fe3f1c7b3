# SPDX-License-Identifier: Apache-2.0
"""What the node tells a player in lockstep: what makes the frames, and how each one ended."""

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Header, String

HANDLED = "output/handled"
"""Topic below the node's name: one Header for each frame that ended. ``stamp`` is the frame's;
``frame_id`` is the base frame where an occupancy was published and empty where it was dropped."""

REFERENCE = "output/reference"
"""Latched topic below the node's name: the name of the topic whose messages make the frames."""

HANDLED_QOS = QoSProfile(depth=100)
REFERENCE_QOS = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Handled:
    """Publishers of ``~/output/handled`` and ``~/output/reference``.

    Args:
        node: The occupancy node.
        base_frame: Frame of its occupancies.
    """

    def __init__(self, node: Node, base_frame: str):
        self._node, self._base_frame = node, base_frame
        self._handled = node.create_publisher(Header, f"~/{HANDLED}", HANDLED_QOS)
        self._reference = node.create_publisher(String, f"~/{REFERENCE}", REFERENCE_QOS)

    def frames_from(self, name: str) -> None:
        """Tell which topic makes the frames from now on, as the node calls it."""
        self._reference.publish(String(data=self._node.resolve_topic_name(name)))

    def tell(self, stamp: int, published: bool) -> None:
        """Tell that the frame of a stamp (nanoseconds) was published or dropped."""
        header = Header(frame_id=self._base_frame if published else "")
        header.stamp.sec, header.stamp.nanosec = divmod(stamp, 1_000_000_000)
        self._handled.publish(header)

    def destroy(self) -> None:
        """Take the publishers away from the node."""
        self._node.destroy_publisher(self._handled)
        self._node.destroy_publisher(self._reference)
