# SPDX-License-Identifier: Apache-2.0
"""cv_bridge for encodings that we do not decode ourselves, where it is installed."""

from importlib import import_module

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from effocc_ros.errors import InputError
from effocc_ros.stream.images import Fallback


def image_fallback() -> Fallback | None:
    """Return a decoder for rare encodings, or None where cv_bridge does not work."""
    try:
        bridge = import_module("cv_bridge").CvBridge()
    except Exception:  # also a cv_bridge that was built against another numpy
        return None

    def decode(message: Image) -> NDArray[np.uint8]:
        try:
            return bridge.imgmsg_to_cv2(message, desired_encoding="rgb8")
        except Exception as error:  # cv_bridge's own kind, and whatever OpenCV raises
            raise InputError(
                f"image in {message.header.frame_id}",
                found=f"encoding '{message.encoding}' ({error})",
                expected="an encoding that cv_bridge turns into rgb8",
                do="Convert it upstream",
                reason="unknown_encoding",
            ) from error

    return decode
