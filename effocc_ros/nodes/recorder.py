# SPDX-License-Identifier: Apache-2.0
"""``recorder``: keep what the occupancy node says in a bag, on machines without ``ros2 bag``."""

from dataclasses import dataclass

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
from effocc_ros.nodes.parameters import Settings, bad_parameter, declare, setting
from effocc_ros.nodes.stopping import SPIN_SECONDS, ros_until_signal

OUTPUTS: dict[str, tuple[type, str]] = {
    "occupancy": (SemanticOccupancy, "effocc_ros/msg/SemanticOccupancy"),
    "points": (PointCloud2, "sensor_msgs/msg/PointCloud2"),
    "markers": (MarkerArray, "visualization_msgs/msg/MarkerArray"),
    "grid": (OccupancyGrid, "nav_msgs/msg/OccupancyGrid"),
}
"""Output of the occupancy node -> message class and type name."""

QUEUE_DEPTH = 100


@dataclass(frozen=True)
class RecorderSettings(Settings):
    """Every parameter of ``recorder``, checked.

    Raises:
        InputError: ``outputs`` names something that the node does not send.
    """

    output: str = setting("occupancy_bag", "The bag's folder, which appears at the end.")
    node: str = setting("/occ_node", "Full name of the occupancy node.")
    outputs: tuple[str, ...] = setting(tuple(OUTPUTS), "Outputs of it to keep.")

    def __post_init__(self):
        super().__post_init__()
        unknown = [name for name in self.outputs if name not in OUTPUTS]
        if unknown:
            raise bad_parameter("outputs", ", ".join(unknown), f"some of {', '.join(OUTPUTS)}")


class Recorder:
    """Writes messages as they come, serialized as they are, stamped with the node's clock.

    Args:
        node: The node that subscribes.
        settings: Its parameters.
        writer: An open bag.

    Raises:
        InputError: A topic cannot be called as ``node`` says.
    """

    def __init__(self, node: Node, settings: RecorderSettings, writer: BagWriter):
        self._node, self._settings, self._writer = node, settings, writer
        for output in settings.outputs:
            self._record(self._topic(output), *OUTPUTS[output], _qos(output))
        self._record("/diagnostics", DiagnosticArray, "diagnostic_msgs/msg/DiagnosticArray")

    def silent(self) -> list[str]:
        """Return the outputs of which nothing has come."""
        topics = [self._topic(output) for output in self._settings.outputs]
        return [topic for topic in topics if not self._writer.counts.get(topic)]

    def _topic(self, output: str) -> str:
        return f"{self._settings.node}/output/{output}"

    def _record(
        self, topic: str, kind: type, type_name: str, qos: QoSProfile | int = QUEUE_DEPTH
    ) -> None:
        def keep(serialized: bytes) -> None:
            now = self._node.get_clock().now().nanoseconds
            self._writer.write_raw(topic, type_name, serialized, now)

        try:
            self._node.create_subscription(kind, topic, keep, qos, raw=True)
        except Exception as error:  # of the middleware, whatever kind it has
            raise InputError(
                "parameter node",
                found=f"'{self._settings.node}'",
                expected="the full name of a node, such as /occ_node",
                reason="bad_parameter",
            ) from error


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
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        try:
            settings, unknown = declare(node, RecorderSettings, read_only=True)
            for line in unknown:
                node.get_logger().warning(line)
            with BagWriter(settings.output) as writer:
                recorder = Recorder(node, settings, writer)
                while not stop.is_set():
                    executor.spin_once(timeout_sec=SPIN_SECONDS)
                silent = recorder.silent()
            if silent:
                node.get_logger().warning(f"nothing has come on {', '.join(silent)}")
        except InputError as error:
            node.get_logger().fatal(str(error))
            return 1
    return 0
