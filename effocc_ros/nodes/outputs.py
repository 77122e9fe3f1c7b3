# SPDX-License-Identifier: Apache-2.0
"""The node's outputs: the occupancy at once, its views after it in a thread of their own."""

from collections.abc import Callable

from rclpy.lifecycle import LifecycleNode
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile

from effocc_ros.errors import InputError
from effocc_ros.messages import OCCUPANCY_TYPE
from effocc_ros.nodes.settings import NodeSettings
from effocc_ros.nodes.stage import Stage
from effocc_ros.nodes.throttle import QUIET_SECONDS
from effocc_ros.nodes.to_message import BUILDER, message_class
from effocc_ros.nodes.views import Views
from effocc_ros.occupancy import ClassList, SemanticOccupancy
from effocc_ros.occupancy_views import check_ground
from effocc_ros.voxel_grids import check_voxel_grids

OCCUPANCY_QOS = QoSProfile(depth=10)
"""A recorder that falls behind for a moment loses no frame: with a depth of 1 it would."""


class Outputs:
    """Publishers of ``~/output/*``.

    Args:
        node: The node they belong to.
        settings: Returns the node's current parameters: ``grid_min_height`` and so on.

    Raises:
        InputError: A topic cannot be published.
    """

    def __init__(self, node: LifecycleNode, settings: Callable[[], NodeSettings]):
        self._node, self._failure = node, ""
        self._publishers = []
        try:
            self._occupancy = self._create(OCCUPANCY_TYPE, "occupancy", OCCUPANCY_QOS)
            self._views = Views(self._create, settings)
        except Exception:
            self._destroy_publishers()
            raise
        self._stage = Stage[SemanticOccupancy]("views", self._views.publish, self._on_failure)
        self._stage.start()

    @property
    def views_superseded(self) -> int:
        """How many occupancies were published without views: a newer one was there already."""
        return self._stage.superseded

    def publish(self, occupancy: SemanticOccupancy) -> None:
        """Publish an occupancy if it has a subscriber; its views follow in their own thread."""
        if self._occupancy.get_subscription_count():
            self._occupancy.publish(BUILDER.occupancy(occupancy))
        self._stage.put(occupancy)

    def destroy(self) -> None:
        """Finish the views in hand and destroy the publishers."""
        self._stage.close()
        self._destroy_publishers()

    def _destroy_publishers(self) -> None:
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers = []

    def _create(self, msgtype: str, output: str, qos: QoSProfile) -> Publisher:
        kind = message_class(msgtype)
        name = f"~/output/{output}"
        try:
            publisher = self._node.create_lifecycle_publisher(kind, name, qos)
        except Exception as error:  # the middleware's own kind
            # It says that a publisher is invalid, whatever the reason.
            raise InputError(
                f"output {self._node.resolve_topic_name(name)}",
                found=f"{type(error).__name__}: {error}",
                expected="a topic that nothing else of this node publishes with another type",
                do="Check the remappings of ~/output/*",
                reason="bad_output",
            ) from error
        self._publishers.append(publisher)
        return publisher

    def take_failure(self) -> str:
        """Return why a view was not published since the last call; empty where all were."""
        failure, self._failure = self._failure, ""
        return failure

    def _on_failure(self, failure: Exception) -> None:
        self._failure = f"{type(failure).__name__}: {failure}"
        self._node.get_logger().error(
            f"views of an occupancy not published: {type(failure).__name__}: {failure}",
            throttle_duration_sec=QUIET_SECONDS,
        )


def check_outputs(settings: NodeSettings, classes: ClassList) -> None:
    """Check the parameters of the outputs that name classes or voxel grids.

    Raises:
        InputError: There is no such voxel grid, a name is not one of the model's classes, or a
            drivable class is not ground.
    """
    check_voxel_grids(settings.voxel_grids, "voxel_grids")
    check_ground(classes, settings.ground_classes, settings.drivable_classes)
    for name in ("points_classes", "markers_classes"):
        classes.mask(getattr(settings, name), name)
