"""From numpy results to ROS messages, large fields without a loop over their bytes."""

from array import array

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Pose, Vector3
from nav_msgs.msg import MapMetaData, OccupancyGrid
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from effocc_ros.msg import SemanticOccupancy as SemanticOccupancyMessage
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.occupancy_views import cubes_per_class, labelled_points
from effocc_ros.stamps import NANOSECONDS

POINT_FIELD_TYPE = {"f": PointField.FLOAT32, "B": PointField.UINT8}


def stamp_message(stamp: int) -> Time:
    """Split nanoseconds since the epoch into a Time."""
    return Time(sec=stamp // NANOSECONDS, nanosec=stamp % NANOSECONDS)


def stamp_of(time: Time) -> int:
    """Join a Time into nanoseconds since the epoch."""
    return time.sec * NANOSECONDS + time.nanosec


def header_message(stamp: int, frame_id: str) -> Header:
    """Build a header from nanoseconds since the epoch and a frame."""
    return Header(stamp=stamp_message(stamp), frame_id=frame_id)


def byte_field(values: NDArray, typecode: str = "B") -> array:
    """Copy an array's memory into the ``array.array`` that rclpy takes without looking at it.

    rclpy checks every element of a numpy array or a list in Python; an ``array.array`` of the
    field's own type goes in as it is, 200 times faster for an image.
    """
    field = array(typecode)
    field.frombytes(memoryview(np.ascontiguousarray(values)).cast("B"))
    return field


def occupancy_message(occupancy: SemanticOccupancy) -> SemanticOccupancyMessage:
    """Write a SemanticOccupancy as the message ``effocc_ros/msg/SemanticOccupancy``."""
    grid, classes = occupancy.grid, occupancy.classes
    x, y, z = map(float, grid.lower)
    confidence = occupancy.confidence
    return SemanticOccupancyMessage(
        header=header_message(occupancy.stamp, occupancy.frame_id),
        origin=Pose(position=Point(x=x, y=y, z=z)),
        voxel_size=np.asarray(grid.voxel_size, np.float64),
        shape=np.asarray(grid.shape, np.uint32),
        labels=byte_field(occupancy.labels),
        confidence=array("B") if confidence is None else byte_field(confidence),
        free_label=classes.free,
        class_names=list(classes.names),
        class_colors=byte_field(classes.palette()),
        model=occupancy.model,
        trained=occupancy.trained,
        mode=occupancy.mode,
        inputs=list(occupancy.inputs),
    )


def cloud_message(occupancy: SemanticOccupancy) -> PointCloud2:
    """Write the visible voxels as a PointCloud2 of x y z rgb label confidence."""
    points = labelled_points(occupancy)
    fields = [
        PointField(name=name, offset=offset, datatype=POINT_FIELD_TYPE[kind.char], count=1)
        for name, (kind, offset) in points.dtype.fields.items()
    ]
    return PointCloud2(
        header=header_message(occupancy.stamp, occupancy.frame_id),
        height=1,
        width=len(points),
        fields=fields,
        is_bigendian=False,
        point_step=points.itemsize,
        row_step=points.nbytes,
        data=byte_field(points),
        is_dense=True,
    )


def grid_message(occupancy: SemanticOccupancy, cells: NDArray[np.int8]) -> OccupancyGrid:
    """Write a bird's-eye map as an OccupancyGrid.

    Args:
        occupancy: Where the map came from: stamp, frame, place and size of the cells.
        cells: (Y, X) int8 of -1 unknown, 0 free, 100 occupied.
    """
    grid = occupancy.grid
    x, y = float(grid.lower[0]), float(grid.lower[1])
    stamp = stamp_message(occupancy.stamp)
    return OccupancyGrid(
        header=Header(stamp=stamp, frame_id=occupancy.frame_id),
        info=MapMetaData(
            map_load_time=stamp,
            resolution=float(grid.voxel_size[0]),
            width=cells.shape[1],
            height=cells.shape[0],
            origin=Pose(position=Point(x=x, y=y)),
        ),
        data=byte_field(cells, "b"),
    )


def marker_message(
    occupancy: SemanticOccupancy, z_min: float = -np.inf, z_max: float = np.inf
) -> MarkerArray:
    """Write the visible voxels as one CUBE_LIST per class, its namespace the class's name.

    Args:
        occupancy: The grid.
        z_min: Lowest voxel centre shown, metres over the base frame.
        z_max: Highest voxel centre shown.
    """
    header = header_message(occupancy.stamp, occupancy.frame_id)
    # A class that is gone must not stay in RViz: forget everything, then draw what is there.
    markers = [Marker(header=header, action=Marker.DELETEALL)]
    size = Vector3(**dict(zip("xyz", map(float, occupancy.grid.voxel_size), strict=True)))
    for cubes in cubes_per_class(occupancy):
        heights = cubes.centers[:, 2] + occupancy.above_base
        centers = cubes.centers[(heights >= z_min) & (heights <= z_max)]
        if not len(centers):
            continue
        red, green, blue = (value / 255.0 for value in cubes.color)
        markers.append(
            Marker(
                header=header,
                ns=cubes.name,
                id=cubes.label,
                type=Marker.CUBE_LIST,
                action=Marker.ADD,
                pose=Pose(),
                scale=size,
                color=ColorRGBA(r=red, g=green, b=blue, a=1.0),
                points=[Point(x=x, y=y, z=z) for x, y, z in centers.tolist()],
            )
        )
    return MarkerArray(markers=markers)
