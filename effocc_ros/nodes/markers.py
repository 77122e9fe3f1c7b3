# SPDX-License-Identifier: Apache-2.0
"""Cubes for RViz: one CUBE_LIST per class, written as the bytes of a MarkerArray."""

from typing import Any

from geometry_msgs.msg import Pose, Vector3
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker

from effocc_ros.nodes.cdr import cdr_bytes
from effocc_ros.nodes.to_message import header_message
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.occupancy_views import ClassCubes

MARKER_ARRAY = "visualization_msgs/msg/MarkerArray"

Key = tuple[str, int]
"""Namespace (class name) and id (label) by which a display knows a marker."""


class MarkerWriter:
    """Writes one MarkerArray after another, each of which replaces the one before.

    Each begins by deleting every class that an earlier one showed and that is absent now, so a
    display that missed an array does not keep its cubes. The first one clears the display.
    """

    def __init__(self):
        self._known: set[Key] | None = None

    def write(self, occupancy: SemanticOccupancy, cubes: tuple[ClassCubes, ...]) -> bytes:
        """Serialise the cubes of an occupancy as a MarkerArray."""
        header = header_message(occupancy.stamp, occupancy.frame_id)
        keys = {(part.name, part.label) for part in cubes}
        if self._known is None:
            markers = [{"header": header, "action": Marker.DELETEALL}]
        else:
            markers = [
                {"header": header, "ns": name, "id": label, "action": Marker.DELETE}
                for name, label in sorted(self._known - keys)
            ]
        self._known = keys | (self._known or set())
        x, y, z = map(float, occupancy.grid.voxel_size)
        size = Vector3(x=x, y=y, z=z)
        markers += [_cube_list(header, size, part) for part in cubes]
        return cdr_bytes(MARKER_ARRAY, {"markers": markers})


def _cube_list(header: Any, size: Vector3, cubes: ClassCubes) -> dict[str, Any]:
    red, green, blue = (value / 255.0 for value in cubes.color)
    return {
        "header": header,
        "ns": cubes.name,
        "id": cubes.label,
        "type": Marker.CUBE_LIST,
        "action": Marker.ADD,
        "pose": Pose(),
        "scale": size,
        "color": ColorRGBA(r=red, g=green, b=blue, a=1.0),
        "points": cubes.centers,
    }
