# SPDX-License-Identifier: Apache-2.0
"""``recorder``: keep what the occupancy node says in a bag, on machines without ``ros2 bag``."""

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import MarkerArray

from effocc_ros.bags.writer import BagWriter
from effocc_ros.errors import InputError
from effocc_ros.msg import SemanticOccupancy
from effocc_ros.nodes.stopping import SPIN_SECONDS, ros_until_signal

OUTPUTS = {
    "occupancy": (SemanticOccupancy, "effocc_ros/msg/SemanticOccupancy"),
    "points": (PointCloud2, "sensor_msgs/msg/PointCloud2"),
    "markers": (MarkerArray, "visualization_msgs/msg/MarkerArray"),
    "grid": (OccupancyGrid, "nav_msgs/msg/OccupancyGrid"),
}
"""Output of the occupancy node -> message class and type name."""

QUEUE_DEPTH = 100


class Recorder:
    """Writes messages as they come, serialized as they are, stamped with the node's clock.

    Args:
        node: The node that subscribes. Its parameters: ``output``, the bag folder to write;
            ``node``, the occupancy node; ``outputs``, which of :data:`OUTPUTS` to keep.
        writer: An open bag.

    Raises:
        InputError: ``outputs`` names something that the node does not send.
    """

    def __init__(self, node: Node, writer: BagWriter):
        self._node, self._writer = node, writer
        source = node.get_parameter("node").value
        for output in node.get_parameter("outputs").value:
            if output not in OUTPUTS:
                raise InputError(
                    "recorder parameter outputs",
                    found=repr(output),
                    expected=f"some of {', '.join(OUTPUTS)}",
                )
            self._record(f"{source}/output/{output}", *OUTPUTS[output], _qos(output))
        self._record("/diagnostics", DiagnosticArray, "diagnostic_msgs/msg/DiagnosticArray")

    def _record(
        self, topic: str, kind: type, type_name: str, qos: QoSProfile | int = QUEUE_DEPTH
    ) -> None:
        def keep(serialized: bytes) -> None:
            now = self._node.get_clock().now().nanoseconds
            self._writer.write_raw(topic, type_name, serialized, now)

        self._node.create_subscription(kind, topic, keep, qos, raw=True)


def _qos(output: str) -> QoSProfile:
    qos = QoSProfile(depth=QUEUE_DEPTH)
    if output == "grid":
        qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
    return qos


def main(args: list[str] | None = None) -> int:
    """Record until SIGINT or SIGTERM; the bag appears then. 0 when it did, 1 on bad input."""
    # No hurry at the end: the bag must become whole.
    with ros_until_signal(args, grace=None) as stop:
        node = rclpy.create_node("recorder")
        node.declare_parameter("output", "occupancy_bag")
        node.declare_parameter("node", "/occ_node")
        node.declare_parameter("outputs", list(OUTPUTS))
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        try:
            with BagWriter(node.get_parameter("output").value) as writer:
                Recorder(node, writer)
                while not stop.is_set():
                    executor.spin_once(timeout_sec=SPIN_SECONDS)
        except InputError as error:
            node.get_logger().fatal(str(error))
            return 1
    return 0
