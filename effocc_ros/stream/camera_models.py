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
        intrinsics: (3, 3) in pixels of a rectified image of ``size``.
        size: (width, height); (0, 0) where the message does not say.
        frame_id: tf frame of the camera; may be empty.
        distorted: True where the message tells of lens distortion.
    """

    intrinsics: NDArray[np.float64]
    size: tuple[int, int]
    frame_id: str = ""
    distorted: bool = False

    def intrinsics_for(self, image: NDArray) -> NDArray[np.float64]:
        """Return the (3, 3) matrix in pixels of this image (H, W, 3), which may be scaled.

        Pixel centres have whole coordinates, so that u' + 1/2 = s (u + 1/2).
        """
        height, width = image.shape[:2]
        if 0 in self.size or self.size == (width, height):
            return self.intrinsics
        scaled = self.intrinsics.copy()
        scaled[:2, 2] += 0.5
        scaled[:2] *= np.array([[width / self.size[0]], [height / self.size[1]]])
        scaled[:2, 2] -= 0.5
        return scaled


def camera_model(message: Any, source: str) -> CameraModel:
    """Read a CameraInfo; lens distortion is noted but not corrected.

    Images are taken as rectified. Theirs is the matrix K where the lens does not distort, and the
    left of P where it does (sensor_msgs/CameraInfo). Binned images say so by their size.

    Raises:
        InputError: K has no focal lengths: the camera is not calibrated.
    """
    intrinsics = np.array(message.k, np.float64).reshape(3, 3)
    rectified = np.array(message.p, np.float64).reshape(3, 4)[:, :3]
    distorted = bool(np.any(np.array(message.d, np.float64)))
    if distorted and rectified[0, 0] > 0 and rectified[1, 1] > 0:
        intrinsics = rectified
    if intrinsics[0, 0] <= 0 or intrinsics[1, 1] <= 0 or not np.isfinite(intrinsics).all():
        raise InputError(
            f"CameraInfo of {source}",
            found=f"K = {intrinsics.ravel().tolist()}",
            expected="focal lengths above 0",
            do="Calibrate the camera, or give a calibration file",
            reason="no_intrinsics",
        )
    size, part = (int(message.width), int(message.height)), message.roi
    if part.width and part.height:
        size = (int(part.width), int(part.height))
        intrinsics[:2, 2] -= part.x_offset, part.y_offset
    return CameraModel(intrinsics, size, message.header.frame_id.lstrip("/"), distorted)
