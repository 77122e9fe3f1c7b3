"""What CameraInfo messages say of the cameras."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError


@dataclass(frozen=True)
class CameraModel:
    """Pinhole model of one camera.

    Attributes:
        intrinsics: (3, 3) in pixels of an image of ``size``.
        size: (width, height); (0, 0) where the message does not say.
        frame_id: tf frame of the camera; may be empty.
        distorted: True where the message tells of lens distortion.
    """

    intrinsics: NDArray[np.float64]
    size: tuple[int, int]
    frame_id: str = ""
    distorted: bool = False

    def intrinsics_for(self, image: NDArray) -> NDArray[np.float64]:
        """Return the (3, 3) matrix in pixels of this image (H, W, 3), which may be scaled."""
        height, width = image.shape[:2]
        if self.size in ((0, 0), (width, height)):
            return self.intrinsics
        scale = np.diag([width / self.size[0], height / self.size[1], 1.0])
        return scale @ self.intrinsics


def camera_model(message: Any, source: str) -> CameraModel:
    """Read a CameraInfo; lens distortion is noted but not corrected.

    Raises:
        InputError: K has no focal lengths: the camera is not calibrated.
    """
    # Humble to Lyrical say k; ROS 1 said K.
    intrinsics = np.array(message.k, np.float64).reshape(3, 3)
    if intrinsics[0, 0] <= 0 or intrinsics[1, 1] <= 0 or not np.isfinite(intrinsics).all():
        raise InputError(
            f"CameraInfo of {source}",
            found=f"K = {intrinsics.ravel().tolist()}",
            expected="focal lengths above 0",
            do="Calibrate the camera, or give a calibration file",
            reason="no_intrinsics",
        )
    return CameraModel(
        intrinsics=intrinsics,
        size=(int(message.width), int(message.height)),
        frame_id=message.header.frame_id.lstrip("/"),
        distorted=bool(np.any(np.array(message.d, np.float64))),
    )
