# SPDX-License-Identifier: Apache-2.0
"""ROS messages from numpy results, for bags and for the node: only the factory differs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.occupancy import ClassList, SemanticOccupancy
from effocc_ros.stamps import NANOSECONDS
from effocc_ros.voxel_grids import (
    FOXGLOVE_CELL,
    FOXGLOVE_TYPE,
    NAV2_TYPE,
    foxglove_cells,
    nav2_columns,
)

OCCUPANCY_TYPE = "effocc_ros/msg/SemanticOccupancy"

FOXGLOVE_UINT8 = 1
"""foxglove_msgs/PackedElementField.UINT8."""

POINT_FIELD_TYPES = {
    np.dtype(np.int8): 1,
    np.dtype(np.uint8): 2,
    np.dtype(np.int16): 3,
    np.dtype(np.uint16): 4,
    np.dtype(np.int32): 5,
    np.dtype(np.uint32): 6,
    np.dtype(np.float32): 7,
    np.dtype(np.float64): 8,
}
"""numpy types and their constants in sensor_msgs/PointField."""


@dataclass(frozen=True)
class MessageBuilder:
    """Builds messages with the classes of rclpy or of rosbags.

    Attributes:
        make: Takes the type's name (``std_msgs/msg/Header``) and every field by keyword; arrays
            are numpy arrays of one dimension.
    """

    make: Callable[..., Any]

    def time(self, stamp: int) -> Any:
        """Split nanoseconds since the epoch into a Time."""
        seconds, nanoseconds = divmod(stamp, NANOSECONDS)
        return self.make("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)

    def header(self, stamp: int, frame_id: str) -> Any:
        """Build a Header from nanoseconds since the epoch and a frame."""
        return self.make("std_msgs/msg/Header", stamp=self.time(stamp), frame_id=frame_id)

    def pose(self, position: tuple[float, float, float]) -> Any:
        """Build a Pose without rotation."""
        x, y, z = map(float, position)
        return self.make(
            "geometry_msgs/msg/Pose",
            position=self.make("geometry_msgs/msg/Point", x=x, y=y, z=z),
            orientation=self.make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
        )

    def occupancy(self, occupancy: SemanticOccupancy) -> Any:
        """Write a SemanticOccupancy as ``effocc_ros/msg/SemanticOccupancy``."""
        grid, classes, confidence = occupancy.grid, occupancy.classes, occupancy.confidence
        return self.make(
            OCCUPANCY_TYPE,
            header=self.header(occupancy.stamp, occupancy.frame_id),
            origin=self.pose(grid.lower),
            voxel_size=np.asarray(grid.voxel_size, np.float64),
            shape=np.asarray(grid.shape, np.uint32),
            labels=_flat(occupancy.labels),
            confidence=np.empty(0, np.uint8) if confidence is None else _flat(confidence),
            free_label=classes.free,
            class_names=list(classes.names),
            class_colors=_flat(classes.palette()),
            model=occupancy.model,
            trained=occupancy.trained,
            mode=occupancy.mode,
            inputs=list(occupancy.inputs),
        )

    def point_cloud(self, stamp: int, frame_id: str, points: NDArray[np.void]) -> Any:
        """Build an unordered PointCloud2.

        Args:
            stamp: Nanoseconds since the epoch.
            frame_id: Frame of the coordinates.
            points: (N,) structured; each field of the dtype becomes a field of the cloud, at the
                same offset, in the same bytes.

        Raises:
            InputError: A field has a type that PointField cannot name.
        """
        points = np.ascontiguousarray(points)
        fields = []
        for name in points.dtype.names:
            dtype, offset = points.dtype.fields[name][:2]
            fields.append(
                self.make(
                    "sensor_msgs/msg/PointField",
                    name=name,
                    offset=offset,
                    datatype=_point_field_type(name, dtype),
                    count=1,
                )
            )
        return self.make(
            "sensor_msgs/msg/PointCloud2",
            header=self.header(stamp, frame_id),
            height=1,
            width=len(points),
            fields=fields,
            is_bigendian=False,
            point_step=points.dtype.itemsize,
            row_step=points.nbytes,
            data=points.view(np.uint8),
            is_dense=True,
        )

    def grid(self, occupancy: SemanticOccupancy, cells: NDArray[np.int8]) -> Any:
        """Write a bird's-eye map as a nav_msgs/OccupancyGrid.

        Args:
            occupancy: Where the map came from: stamp, frame, place and size of the cells.
            cells: (Y, X) int8 of -1 unknown, 0 free, 100 occupied.
        """
        x, y, _ = occupancy.grid.lower
        return self.make(
            "nav_msgs/msg/OccupancyGrid",
            header=self.header(occupancy.stamp, occupancy.frame_id),
            info=self.make(
                "nav_msgs/msg/MapMetaData",
                map_load_time=self.time(occupancy.stamp),
                resolution=float(occupancy.grid.voxel_size[0]),
                width=cells.shape[1],
                height=cells.shape[0],
                origin=self.pose((x, y, 0.0)),
            ),
            data=_flat(cells),
        )

    def label_info(self, stamp: int, frame_id: str, classes: ClassList, threshold: float) -> Any:
        """Write the names of classes as a vision_msgs/LabelInfo.

        Args:
            stamp: Nanoseconds since the epoch.
            frame_id: Frame of the labelled data.
            classes: The classes.
            threshold: Lowest confidence, 0..1, of what is shown.
        """
        return self.make(
            "vision_msgs/msg/LabelInfo",
            header=self.header(stamp, frame_id),
            class_map=[
                self.make("vision_msgs/msg/VisionClass", class_id=number, class_name=name)
                for number, name in enumerate(classes.names)
            ],
            threshold=float(threshold),
        )

    def voxel_grid(self, name: str, occupancy: SemanticOccupancy) -> Any:
        """Write an occupancy as the voxel grid of another project.

        Args:
            name: One of :data:`effocc_ros.voxel_grids.VOXEL_GRIDS`.
            occupancy: What to write.

        Raises:
            InputError: It does not fit into such a grid.
        """
        return {"foxglove": self._foxglove, "nav2": self._nav2}[name](occupancy)

    def _foxglove(self, occupancy: SemanticOccupancy) -> Any:
        columns, rows, _ = occupancy.grid.shape
        stride = FOXGLOVE_CELL.itemsize
        return self.make(
            FOXGLOVE_TYPE,
            timestamp=self.time(occupancy.stamp),
            frame_id=occupancy.frame_id,
            pose=self.pose(occupancy.grid.lower),
            row_count=rows,
            column_count=columns,
            cell_size=self._vector(occupancy.grid.voxel_size),
            slice_stride=rows * columns * stride,
            row_stride=columns * stride,
            cell_stride=stride,
            fields=[
                self.make(
                    "foxglove_msgs/msg/PackedElementField",
                    name=name,
                    offset=FOXGLOVE_CELL.fields[name][1],
                    type=FOXGLOVE_UINT8,
                )
                for name in FOXGLOVE_CELL.names
            ],
            data=_flat(foxglove_cells(occupancy)).view(np.uint8),
        )

    def _nav2(self, occupancy: SemanticOccupancy) -> Any:
        x, y, z = map(float, occupancy.grid.lower)
        columns, rows, levels = occupancy.grid.shape
        return self.make(
            NAV2_TYPE,
            header=self.header(occupancy.stamp, occupancy.frame_id),
            data=_flat(nav2_columns(occupancy)),
            origin=self.make("geometry_msgs/msg/Point32", x=x, y=y, z=z),
            resolutions=self._vector(occupancy.grid.voxel_size),
            size_x=columns,
            size_y=rows,
            size_z=levels,
        )

    def _vector(self, values: tuple[float, float, float]) -> Any:
        x, y, z = map(float, values)
        return self.make("geometry_msgs/msg/Vector3", x=x, y=y, z=z)


def _point_field_type(name: str, dtype: np.dtype) -> int:
    if dtype not in POINT_FIELD_TYPES:
        raise InputError(
            f"point field {name}",
            found=f"dtype {dtype}",
            expected=f"one of {', '.join(map(str, POINT_FIELD_TYPES))}",
            reason="bad_point_field",
        )
    return POINT_FIELD_TYPES[dtype]


def _flat(values: NDArray) -> NDArray:
    return np.ascontiguousarray(values).ravel()
