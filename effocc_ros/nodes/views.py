# SPDX-License-Identifier: Apache-2.0
"""Views of an occupancy on their topics: legend, map, cloud and cubes."""

import json
from collections.abc import Callable
from importlib.util import find_spec

from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

from effocc_ros.nodes.markers import MARKER_ARRAY, MarkerWriter
from effocc_ros.nodes.settings import NodeSettings
from effocc_ros.nodes.to_message import BUILDER
from effocc_ros.occupancy import ClassList, SemanticOccupancy
from effocc_ros.occupancy_views import (
    ViewFilter,
    Voxels,
    cubes_per_class,
    labelled_points,
    navigation_grid,
    visible_voxels,
)
from effocc_ros.voxel_grids import VOXEL_GRIDS

RELIABLE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
"""For the cloud too: a megabyte sent best effort rarely arrives whole, even on one machine.
Best-effort subscribers are compatible."""
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class Views:
    """Publishes what can be derived from an occupancy.

    Latched topics are always published, so that a late subscriber gets the newest message; the
    others only when they have a subscriber.

    Args:
        create: Makes the publisher of a type's name, the output's name and a QoS.
        settings: Returns the node's current parameters.
    """

    def __init__(
        self,
        create: Callable[[str, str, QoSProfile], Publisher],
        settings: Callable[[], NodeSettings],
    ):
        self._settings = settings
        self._grid = create("nav_msgs/msg/OccupancyGrid", "grid", LATCHED)
        self._points = create("sensor_msgs/msg/PointCloud2", "points", RELIABLE)
        self._markers = create(MARKER_ARRAY, "markers", RELIABLE)
        self._legend = create("std_msgs/msg/String", "legend", LATCHED)
        self._label_info = None
        if find_spec("vision_msgs") is not None:
            self._label_info = create("vision_msgs/msg/LabelInfo", "label_info", LATCHED)
        self._voxel_grids = {
            name: create(VOXEL_GRIDS[name], f"{name}_voxels", RELIABLE)
            for name in settings().voxel_grids
            if find_spec(VOXEL_GRIDS[name].partition("/")[0]) is not None
        }
        self._marker_writer = MarkerWriter()
        self._explained: tuple[ClassList, float] | None = None

    def publish(self, occupancy: SemanticOccupancy) -> None:
        """Publish the views of an occupancy, those that steer a robot first."""
        settings = self._settings()
        self._explain(occupancy, settings.min_confidence)
        self._publish_grid(occupancy, settings)
        found: dict[ViewFilter, Voxels] = {}
        for name, publisher, show in (
            ("points", self._points, self._publish_points),
            ("markers", self._markers, self._publish_markers),
        ):
            if publisher.get_subscription_count():
                chosen = view_filter(settings, name)
                if chosen not in found:
                    found[chosen] = visible_voxels(occupancy, chosen)
                show(occupancy, found[chosen])
        for name, publisher in self._voxel_grids.items():
            if publisher.get_subscription_count():
                publisher.publish(BUILDER.voxel_grid(name, occupancy))

    def _explain(self, occupancy: SemanticOccupancy, min_confidence: float) -> None:
        """Publish the legend when it is new."""
        if self._explained == (occupancy.classes, min_confidence):
            return
        self._explained = occupancy.classes, min_confidence
        self._legend.publish(String(data=legend(occupancy.classes)))
        if self._label_info is not None:
            stamp, frame_id = occupancy.stamp, occupancy.frame_id
            self._label_info.publish(
                BUILDER.label_info(stamp, frame_id, occupancy.classes, min_confidence)
            )

    def _publish_grid(self, occupancy: SemanticOccupancy, settings: NodeSettings) -> None:
        cells = navigation_grid(
            occupancy,
            settings.grid_min_height,
            settings.grid_max_height,
            settings.ground_classes,
            settings.drivable_classes,
        )
        self._grid.publish(BUILDER.grid(occupancy, cells))

    def _publish_points(self, occupancy: SemanticOccupancy, voxels: Voxels) -> None:
        points = labelled_points(occupancy, voxels)
        self._points.publish(BUILDER.point_cloud(occupancy.stamp, occupancy.frame_id, points))

    def _publish_markers(self, occupancy: SemanticOccupancy, voxels: Voxels) -> None:
        cubes = cubes_per_class(occupancy, voxels)
        self._markers.publish(self._marker_writer.write(occupancy, cubes))


def view_filter(settings: NodeSettings, view: str) -> ViewFilter:
    """Return the filter of ``points`` or ``markers`` that the parameters describe."""
    return ViewFilter(
        classes=tuple(getattr(settings, f"{view}_classes")),
        z_min=getattr(settings, f"{view}_min_height"),
        z_max=getattr(settings, f"{view}_max_height"),
        min_confidence=settings.min_confidence,
    )


def legend(classes: ClassList) -> str:
    """Write classes as JSON: the list's name, the free label, and id, name, colour of each."""
    entries = [
        {"id": label, "name": name, "color": "#{:02x}{:02x}{:02x}".format(*color)}
        for label, (name, color) in enumerate(zip(classes.names, classes.colors, strict=True))
    ]
    return json.dumps({"class_list": classes.name, "free": classes.free, "classes": entries})
