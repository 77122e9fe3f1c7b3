# SPDX-License-Identifier: Apache-2.0
"""How the images of one camera are to be understood."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from effocc_ros.calibration import SensorCalibration
from effocc_ros.geometry import inverse_rigid
from effocc_ros.intrinsics import ImageArea, place_image
from effocc_ros.lenses import FISHEYE, Lens, check_turning, rectify, rectifying_maps
from effocc_ros.stream.report import Remark


@dataclass(frozen=True)
class CameraView:
    """An image as a pinhole sees it.

    Attributes:
        image: (H, W, 3) uint8.
        intrinsics: (3, 3) in its pixels.
        remarks: What contradicted what.
    """

    image: NDArray[np.uint8]
    intrinsics: NDArray[np.float64]
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True)
class CameraModel:
    """How a camera's images are to be understood.

    Attributes:
        intrinsics: (3, 3) pinhole matrix of the images once they are rectified, in pixels of the
            whole sensor.
        raw_intrinsics: (3, 3) matrix of the images as they come; the same where they need nothing.
        lens: What must be undone; None where images are as a pinhole sees them.
        area: Size, region of interest and binning that the matrices go with.
        frame_id: tf frame of the camera; may be empty.
        said_by: Where this is from, for errors.
        rotation: (3, 3) camera frame to the frame of the images once rectified (R).
        first_camera: (3,) metres, from P: where the stereo pair's first camera is, in the frame of
            the rectified images; zero for a camera of its own.
        remarks: What contradicts what in the message, and how it was understood.
    """

    intrinsics: NDArray[np.float64]
    raw_intrinsics: NDArray[np.float64]
    lens: Lens | None = None
    area: ImageArea = ImageArea()  # noqa: RUF009 (frozen)
    frame_id: str = ""
    said_by: str = "CameraInfo"
    rotation: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    first_camera: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    remarks: tuple[Remark, ...] = ()

    def view(self, image: NDArray[np.uint8], source: str) -> CameraView:
        """Rectify an image that may be cropped, binned or shrunk.

        Raises:
            InputError: The image is not of this camera, by its size.
        """
        size, what = (image.shape[1], image.shape[0]), f"{self.said_by} of {source}"
        fisheye = self.lens is not None and self.lens.family == FISHEYE
        placed = place_image(self.area, size, self.raw_intrinsics, what, fisheye=fisheye)
        intrinsics = placed.matrix @ self.intrinsics
        if self.lens is not None:
            raw = placed.matrix @ self.raw_intrinsics
            matrices = (each.tobytes() for each in (raw, self.rotation, intrinsics))
            image = rectify(image, rectifying_maps(self.lens, *matrices, size))
        remarks = (Remark("contradicting_camera_info", placed.remark),) if placed.remark else ()
        return CameraView(image, intrinsics, remarks)

    def pose(self, *, shifted: bool = True) -> NDArray[np.float64]:
        """Return the pose of the rectified images in the camera's tf frame, (4, 4).

        Args:
            shifted: Whether that frame is the stereo pair's first camera's, so that this camera
                is a baseline away from it.
        """
        frame2image = np.eye(4)
        frame2image[:3, :3] = self.rotation
        if shifted:
            frame2image[:3, 3] = self.first_camera
        return inverse_rigid(frame2image)


def filed_model(known: SensorCalibration, source: str) -> CameraModel:
    """Return the model of a camera whose intrinsics are in a calibration file."""
    area = ImageArea(known.size or (0, 0))
    lens = None if known.rectified else known.lens
    if lens is not None and lens.is_pinhole:
        lens = None
    if lens is not None and known.size:
        check_turning(lens, known.intrinsics, known.size, f"calibration of {source}")
    return CameraModel(known.intrinsics, known.intrinsics, lens, area, said_by="calibration")
