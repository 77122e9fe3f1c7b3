# SPDX-License-Identifier: Apache-2.0
"""One transform of a tf message: which frames, when, where."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.geometry import rigid
from effocc_ros.stamps import NANOSECONDS

FURTHEST = 1e9
"""Metres; more than any map's origin is away."""


class Transform(NamedTuple):
    """One edge of the tf tree: frames, stamp in nanoseconds, (4, 4) child to parent."""

    parent: str
    child: str
    stamp: int
    pose: NDArray[np.float64]


def read_transform(message: Any) -> Transform:
    """Read a geometry_msgs/TransformStamped.

    Raises:
        InputError: A frame has no name, the quaternion has no unit length, or a number is not
            finite.
    """
    moved = message.transform
    return _read(message.header, message.child_frame_id, moved.translation, moved.rotation)


def read_odometry(message: Any) -> Transform:
    """Read the pose of a nav_msgs/Odometry as an edge of the tf tree.

    Raises:
        InputError: As :func:`read_transform`.
    """
    pose = message.pose.pose
    return _read(message.header, message.child_frame_id, pose.position, pose.orientation)


def _read(header: Any, child: str, position: Any, rotation: Any) -> Transform:
    parent, child = header.frame_id.lstrip("/"), child.lstrip("/")
    if not parent or not child:
        raise InputError(
            "tf",
            found=f"a transform from '{child}' to '{parent}'",
            expected="names for both frames",
            do="Look at who publishes it",
            reason="empty_frame_id",
        )
    quaternion = [rotation.w, rotation.x, rotation.y, rotation.z]
    translation = (position.x, position.y, position.z)
    length = math.hypot(*quaternion)
    within = all(abs(metres) < FURTHEST for metres in translation)
    if not within or not abs(length - 1.0) < 0.1:
        raise InputError(
            f"tf {parent} <- {child}",
            found=f"quaternion of length {length:.3g}, translation {list(translation)}",
            expected="a unit quaternion and finite metres",
            do="Look at who publishes it",
            reason="bad_transform",
        )
    stamp = int(header.stamp.sec) * NANOSECONDS + int(header.stamp.nanosec)
    return Transform(
        parent, child, stamp, rigid([each / length for each in quaternion], translation)
    )
