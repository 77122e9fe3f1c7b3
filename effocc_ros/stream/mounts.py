# SPDX-License-Identifier: Apache-2.0
"""Where sensors sit on the vehicle, and what of it cannot be."""

import numpy as np
from numpy.typing import NDArray

from effocc_ros.calibration import FURTHEST
from effocc_ros.errors import InputError
from effocc_ros.stream.report import Remark
from effocc_ros.stream.transform_buffer import TransformBuffer

FURTHEST_IN_MAP = 1e7
"""Metres; what is given in a map may be as far from the vehicle as the map's origin."""

UP = 0.85
"""Height of a unit vector that points up, within some 30 degrees."""


def mounting(
    transforms: TransformBuffer, base_frame: str, frame_id: str, stamp: int
) -> NDArray[np.float64]:
    """Return the (4, 4) pose of a sensor's frame in the base frame.

    Raises:
        InputError: It is not known, or further away than any sensor of a vehicle.
    """
    pose = transforms.mounting(base_frame, frame_id, stamp)
    most = FURTHEST_IN_MAP if transforms.moving(base_frame, frame_id) else FURTHEST
    distance = float(np.abs(pose[:3, 3]).max())
    if not distance <= most:
        raise InputError(
            f"tf {base_frame} <- {frame_id}",
            found=f"{distance:.6g} m between the two",
            expected=f"a place on the vehicle, in metres, up to {most:g}",
            do="Look at who publishes it: are its numbers millimetres?",
            reason="bad_mount",
        )
    return pose


def optical_frame(
    transforms: TransformBuffer, base_frame: str, images: str, camera_info: str
) -> tuple[str, list[Remark]]:
    """Return a camera's tf frame, where images and CameraInfo name two.

    Args:
        transforms: Poses over time.
        base_frame: tf frame of the vehicle.
        images: Frame of the images' headers; may be empty.
        camera_info: Frame of the CameraInfo's; may be empty.
    """
    if not images or not camera_info or images == camera_info:
        return images or camera_info, []
    known = transforms.connected(base_frame, images)
    other = not known and transforms.connected(base_frame, camera_info)
    used = camera_info if other else images
    text = (
        f"frame_id of a camera: found '{images}' in its images and '{camera_info}' in its "
        f"CameraInfo; expected one and the same. '{used}' is used"
        f"{', the only one in tf' if other else ''}; set both in the driver."
    )
    return used, [Remark("two_frames", text)]


def looks_up(pose: NDArray[np.float64], frame_id: str) -> list[Remark]:
    """Say so where a camera's (4, 4) pose in the vehicle lets it look at the sky."""
    if pose[2, 2] < UP:
        return []
    what = f"camera frame '{frame_id}'" if frame_id else "camera"
    text = (
        f"{what}: found z, the optical axis, pointing up; expected an optical frame: z ahead, x "
        "right, y down (REP 103). Its images are used so, and see the sky: if this is the "
        "camera's body frame, name the optical one in their headers or the calibration file."
    )
    return [Remark("looks_up", text)]
