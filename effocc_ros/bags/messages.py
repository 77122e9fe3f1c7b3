# SPDX-License-Identifier: Apache-2.0
"""Build rosbags messages from numpy: what the converter, the simulator and `process` write."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effocc_ros.bags.typestore import base_typestore
from effocc_ros.classes import class_list_of
from effocc_ros.geometry import VoxelGrid, quaternion_of
from effocc_ros.messages import MessageBuilder
from effocc_ros.occupancy import ClassList, SemanticOccupancy
from effocc_ros.stamps import NANOSECONDS

NUSCENES_POINT = np.dtype([(name, "<f4") for name in ("x", "y", "z", "intensity", "ring")])
"""One LiDAR return as nuScenes files hold it, 20 bytes."""


def message(msgtype: str, **fields: Any) -> Any:
    """Build a message of ROS 2 or of ours; every field must be given."""
    return base_typestore().types[msgtype](**fields)


_BUILDER = MessageBuilder(message)
header_message = _BUILDER.header
occupancy_message = _BUILDER.occupancy
point_cloud_message = _BUILDER.point_cloud
voxel_grid_message = _BUILDER.voxel_grid


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


def read_occupancy(message: Any) -> SemanticOccupancy:
    """Read an ``effocc_ros/msg/SemanticOccupancy``, rosbags' or rclpy's."""
    stamp, shape = message.header.stamp, tuple(int(count) for count in message.shape)
    corner = message.origin.position
    confidence = np.frombuffer(message.confidence, np.uint8)
    return SemanticOccupancy(
        stamp=stamp.sec * NANOSECONDS + stamp.nanosec,
        frame_id=message.header.frame_id,
        grid=VoxelGrid(
            (corner.x, corner.y, corner.z), tuple(map(float, message.voxel_size)), shape
        ),
        labels=np.frombuffer(message.labels, np.uint8).reshape(shape),
        classes=_class_list(message),
        confidence=confidence.reshape(shape) if confidence.size else None,
        model=message.model,
        trained=bool(message.trained),
        mode=message.mode,
        inputs=tuple(message.inputs),
    )


def _class_list(message: Any) -> ClassList:
    """Return the classes of a message; of a known list also which of them are ground."""
    names = tuple(message.class_names)
    palette = np.asarray(message.class_colors).reshape(-1, 3)
    known = class_list_of(names)
    return ClassList(
        name="message" if known is None else known.name,
        names=names,
        colors=tuple(tuple(map(int, color)) for color in palette),
        free=int(message.free_label),
        unused=() if known is None else known.unused,
        ground=() if known is None else known.ground,
        drivable=() if known is None else known.drivable,
    )
