"""Build rosbags messages from numpy: what the converter, the simulator and `process` write."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effocc_ros.bags.typestore import OCCUPANCY_TYPE, base_typestore
from effocc_ros.errors import InputError
from effocc_ros.geometry import VoxelGrid, quaternion_of
from effocc_ros.occupancy import ClassList, SemanticOccupancy
from effocc_ros.stamps import NANOSECONDS

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

NUSCENES_POINT = np.dtype([(name, "<f4") for name in ("x", "y", "z", "intensity", "ring")])
"""One LiDAR return as nuScenes files hold it, 20 bytes."""


def message(msgtype: str, **fields: Any) -> Any:
    """Build a message of ROS 2 or of ours; every field must be given."""
    return base_typestore().types[msgtype](**fields)


def time_message(stamp: int) -> Any:
    """Split nanoseconds since the epoch into a Time."""
    return message(
        "builtin_interfaces/msg/Time", sec=stamp // NANOSECONDS, nanosec=stamp % NANOSECONDS
    )


def header_message(stamp: int, frame_id: str) -> Any:
    """Build a Header from nanoseconds since the epoch and a frame."""
    return message("std_msgs/msg/Header", stamp=time_message(stamp), frame_id=frame_id)


def compressed_image_message(stamp: int, frame_id: str, data: bytes, form: str = "jpeg") -> Any:
    """Wrap an encoded image; its bytes stay as they are."""
    return message(
        "sensor_msgs/msg/CompressedImage",
        header=header_message(stamp, frame_id),
        format=form,
        data=np.frombuffer(data, np.uint8),
    )


def camera_info_message(
    stamp: int, frame_id: str, intrinsics: NDArray, size: tuple[int, int]
) -> Any:
    """Build the CameraInfo of an image without distortion.

    Args:
        stamp: Nanoseconds since the epoch.
        frame_id: The camera's optical frame.
        intrinsics: (3, 3) pinhole matrix in pixels.
        size: Height and width of the image in pixels.
    """
    projection = np.zeros((3, 4))
    projection[:, :3] = intrinsics
    region = message(
        "sensor_msgs/msg/RegionOfInterest",
        x_offset=0,
        y_offset=0,
        height=0,
        width=0,
        do_rectify=False,
    )
    return message(
        "sensor_msgs/msg/CameraInfo",
        header=header_message(stamp, frame_id),
        height=size[0],
        width=size[1],
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=np.array(intrinsics, np.float64).ravel(),
        r=np.eye(3).ravel(),
        p=projection.ravel(),
        binning_x=0,
        binning_y=0,
        roi=region,
    )


def point_cloud_message(stamp: int, frame_id: str, points: NDArray[np.void]) -> Any:
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
        if dtype not in POINT_FIELD_TYPES:
            raise InputError(
                f"point field {name}",
                found=f"dtype {dtype}",
                expected=f"one of {', '.join(map(str, POINT_FIELD_TYPES))}",
                reason="bad_point_field",
            )
        datatype = POINT_FIELD_TYPES[dtype]
        fields.append(
            message(
                "sensor_msgs/msg/PointField", name=name, offset=offset, datatype=datatype, count=1
            )
        )
    return message(
        "sensor_msgs/msg/PointCloud2",
        header=header_message(stamp, frame_id),
        height=1,
        width=len(points),
        fields=fields,
        is_bigendian=False,
        point_step=points.dtype.itemsize,
        row_step=points.nbytes,
        data=points.view(np.uint8),
        is_dense=True,
    )


def transform_message(stamp: int, parent: str, child: str, child2parent: NDArray) -> Any:
    """Build a TransformStamped.

    Args:
        stamp: Nanoseconds since the epoch.
        parent: Frame in which the child's pose is given.
        child: The child frame.
        child2parent: (4, 4), the child's pose in the parent.
    """
    x, y, z = map(float, child2parent[:3, 3])
    qw, qx, qy, qz = map(float, quaternion_of(child2parent))
    return message(
        "geometry_msgs/msg/TransformStamped",
        header=header_message(stamp, parent),
        child_frame_id=child,
        transform=message(
            "geometry_msgs/msg/Transform",
            translation=message("geometry_msgs/msg/Vector3", x=x, y=y, z=z),
            rotation=message("geometry_msgs/msg/Quaternion", x=qx, y=qy, z=qz, w=qw),
        ),
    )


def tf_message(transforms: Iterable[Any]) -> Any:
    """Gather TransformStamped messages into one TFMessage."""
    return message("tf2_msgs/msg/TFMessage", transforms=list(transforms))


def pose_message(position: tuple[float, float, float]) -> Any:
    """Build a Pose without rotation."""
    x, y, z = map(float, position)
    return message(
        "geometry_msgs/msg/Pose",
        position=message("geometry_msgs/msg/Point", x=x, y=y, z=z),
        orientation=message("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
    )


def occupancy_message(occupancy: SemanticOccupancy) -> Any:
    """Write a SemanticOccupancy as ``effocc_ros/msg/SemanticOccupancy``."""
    grid, classes, confidence = occupancy.grid, occupancy.classes, occupancy.confidence
    return message(
        OCCUPANCY_TYPE,
        header=header_message(occupancy.stamp, occupancy.frame_id),
        origin=pose_message(grid.lower),
        voxel_size=np.asarray(grid.voxel_size, np.float64),
        shape=np.asarray(grid.shape, np.uint32),
        labels=_bytes_of(occupancy.labels),
        confidence=np.empty(0, np.uint8) if confidence is None else _bytes_of(confidence),
        free_label=classes.free,
        class_names=list(classes.names),
        class_colors=_bytes_of(classes.palette()),
        model=occupancy.model,
        trained=occupancy.trained,
        mode=occupancy.mode,
        inputs=list(occupancy.inputs),
    )


def read_occupancy(message: Any) -> SemanticOccupancy:
    """Read an ``effocc_ros/msg/SemanticOccupancy``, rosbags' or rclpy's."""
    stamp, shape = message.header.stamp, tuple(int(count) for count in message.shape)
    corner = message.origin.position
    palette = np.asarray(message.class_colors).reshape(-1, 3)
    confidence = np.frombuffer(message.confidence, np.uint8)
    return SemanticOccupancy(
        stamp=stamp.sec * NANOSECONDS + stamp.nanosec,
        frame_id=message.header.frame_id,
        grid=VoxelGrid(
            (corner.x, corner.y, corner.z), tuple(map(float, message.voxel_size)), shape
        ),
        labels=np.frombuffer(message.labels, np.uint8).reshape(shape),
        classes=ClassList(
            name="message",
            names=tuple(message.class_names),
            colors=tuple(tuple(map(int, color)) for color in palette),
            free=int(message.free_label),
        ),
        confidence=confidence.reshape(shape) if confidence.size else None,
        model=message.model,
        trained=bool(message.trained),
        mode=message.mode,
        inputs=tuple(message.inputs),
    )


def _bytes_of(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(values).ravel()
