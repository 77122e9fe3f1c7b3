"""The node's four outputs, each made only when somebody listens."""

from collections.abc import Callable

from nav_msgs.msg import OccupancyGrid
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import MarkerArray

from effocc_ros.msg import SemanticOccupancy as SemanticOccupancyMessage
from effocc_ros.nodes.settings import NodeSettings
from effocc_ros.nodes.to_message import (
    cloud_message,
    grid_message,
    marker_message,
    occupancy_message,
)
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.occupancy_views import navigation_grid

RELIABLE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
"""For the cloud too: a megabyte sent best effort rarely arrives whole, even on one machine. Who
asks for best effort is served as well."""
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class Outputs:
    """Publishers of ``~/output/*``.

    Args:
        node: The node they belong to.
        settings: Gives the node's parameters as they are now: ``grid_min_height`` and so on.
    """

    def __init__(self, node: LifecycleNode, settings: Callable[[], NodeSettings]):
        self._node = node
        self._settings = settings
        create = node.create_lifecycle_publisher
        # The occupancy goes last: who has it, as a player in lockstep, knows the frame is done.
        self._makers = {
            create(PointCloud2, "~/output/points", RELIABLE): cloud_message,
            create(MarkerArray, "~/output/markers", RELIABLE): self._markers,
            create(OccupancyGrid, "~/output/grid", LATCHED): self._grid,
            create(SemanticOccupancyMessage, "~/output/occupancy", RELIABLE): occupancy_message,
        }

    def publish(self, occupancy: SemanticOccupancy) -> None:
        """Send an occupancy in every form that has a subscriber."""
        for publisher, make in self._makers.items():
            if publisher.get_subscription_count():
                publisher.publish(make(occupancy))

    def destroy(self) -> None:
        """Take the publishers away from the node."""
        for publisher in self._makers:
            self._node.destroy_lifecycle_publisher(publisher)
        self._makers = {}

    def _markers(self, occupancy: SemanticOccupancy) -> MarkerArray:
        settings = self._settings()
        return marker_message(occupancy, settings.markers_min_height, settings.markers_max_height)

    def _grid(self, occupancy: SemanticOccupancy) -> OccupancyGrid:
        settings = self._settings()
        known = set(occupancy.classes.names)
        cells = navigation_grid(
            occupancy,
            settings.grid_min_height,
            settings.grid_max_height,
            flat=known.intersection(settings.ground_classes),
            drivable=known.intersection(settings.drivable_classes),
        )
        return grid_message(occupancy, cells)
