"""What tf messages say."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.geometry import rigid
from effocc_ros.stamps import NANOSECONDS


class Transform(NamedTuple):
    """One edge of the tf tree: frames, stamp in nanoseconds, (4, 4) child to parent."""

    parent: str
    child: str
    stamp: int
    pose: NDArray[np.float64]


def read_transform(message: Any) -> Transform:
    """Read a geometry_msgs/TransformStamped.

    Raises:
        InputError: The quaternion has no unit length, or a number is not finite.
    """
    place, turn = message.transform.translation, message.transform.rotation
    parent, child = message.header.frame_id, message.child_frame_id
    quaternion = np.array([turn.w, turn.x, turn.y, turn.z])
    translation = np.array([place.x, place.y, place.z])
    length = np.linalg.norm(quaternion)
    if not np.isfinite(translation).all() or not abs(length - 1.0) < 0.1:
        raise InputError(
            f"tf {parent} <- {child}",
            found=f"quaternion of length {length:.3g}, translation {translation.tolist()}",
            expected="a unit quaternion and finite metres",
            do="Look at who publishes it",
            reason="bad_transform",
        )
    header = message.header.stamp
    stamp = int(header.sec) * NANOSECONDS + int(header.nanosec)
    return Transform(parent, child, stamp, rigid(quaternion / length, translation))
