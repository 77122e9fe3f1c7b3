"""What CameraInfo messages and calibration files say of the cameras."""

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effocc_ros.calibration import SensorCalibration
from effocc_ros.errors import InputError
from effocc_ros.geometry import inverse_rigid
from effocc_ros.intrinsics import ImageArea, check_pinhole, place_image
from effocc_ros.lenses import FISHEYE, Lens, check_turning, read_lens, rectify, rectifying_maps
from effocc_ros.stream.report import Remark

STEEPEST = 45.0
"""Degrees beyond which R is no rectification, but a mounting pose that someone wrote there."""

REMEMBERED = 32
"""Calibrations of one camera that are kept, for images that wait."""


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


class CameraModels:
    """The calibrations of all cameras over time: they may change within a recording."""

    def __init__(self):
        self._known: dict[str, deque[tuple[int, CameraModel]]] = {}
        self._messages: dict[str, tuple] = {}
        self._refused: dict[str, InputError] = {}

    def __contains__(self, camera: str) -> bool:
        """Whether a CameraInfo has come, good or bad."""
        return camera in self._known or camera in self._refused

    def add(self, camera: str, message: Any, rectified: bool) -> CameraModel | None:
        """Add a CameraInfo; return its model, None where nothing has changed.

        Raises:
            InputError: It cannot be used; the ones before it hold.
        """
        content = (*_content(message), rectified)
        if self._messages.get(camera) == content:
            return None
        try:
            model = camera_model(message, camera, rectified)
        except InputError as error:
            self._refused[camera] = error
            raise
        self._messages[camera] = content
        stamp = int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)
        history = self._known.setdefault(camera, deque(maxlen=REMEMBERED))
        while history and history[-1][0] >= stamp:  # sent again, or time has jumped back
            history.pop()
        history.append((stamp, model))
        return model

    def at(self, camera: str, stamp: int) -> CameraModel:
        """Return the model that holds for an image; the first one for images before it.

        Raises:
            KeyError: No CameraInfo of that camera has come.
            InputError: None of them could be used.
        """
        if camera not in self._known and camera in self._refused:
            raise self._refused[camera]
        history = self._known[camera]
        return next((model for since, model in reversed(history) if since <= stamp), history[0][1])


def camera_model(message: Any, source: str, rectified: bool = False) -> CameraModel:
    """Read a CameraInfo.

    K and D are of the images as the sensor takes them, R and P of the rectified ones that
    image_proc makes of them (sensor_msgs/CameraInfo); both kinds of topic send the same message.

    Args:
        message: sensor_msgs CameraInfo.
        source: The camera's name, for errors.
        rectified: Whether the images are rectified already. Where not, their lens is undone, so
            that either topic gives the same picture.

    Raises:
        InputError: The camera is not calibrated, or what is said cannot be of one camera.
    """
    what, remarks = f"CameraInfo of {source}", []
    model = _base(message, what)
    raw, left = np.reshape(message.k, (3, 3)), np.reshape(message.p, (3, 4)).astype(np.float64)
    projection = _projection(left, model.area, what, remarks)
    empty = not np.any(raw) or np.array_equal(raw, np.eye(3))
    if empty and projection is not None:
        rectified = True  # P alone is what a stream of rectified images needs
    if rectified:
        if projection is None:
            lens = read_lens(message.distortion_model, message.d, what)
            if lens.family == FISHEYE or (remarks and not lens.is_pinhole):
                raise _no_projection(what, lens)
            projection = check_pinhole(raw, what)
        model = replace(model, intrinsics=projection, raw_intrinsics=projection)
        return _in_pair(model, message, left, what, remarks, turned=True)
    raw = check_pinhole(raw, what)
    lens = read_lens(message.distortion_model, message.d, what)
    if lens.is_pinhole:
        # A driver that rectifies sends P as K too: then R is of these images.
        same = projection is not None and np.allclose(projection, raw, rtol=0.01, atol=1.0)
        if projection is not None and not same:
            remarks.append(_projection_unused(what))
        model = replace(model, intrinsics=raw, raw_intrinsics=raw)
        return _in_pair(model, message, left, what, remarks, turned=same)
    if 0 not in model.area.size:
        check_turning(lens, raw, model.area.size, what)
    text = (
        f"{what}: found {lens.name}; the images are taken as raw, and rectified here. If they are "
        "rectified already, use a topic whose name has `rect` in it, or write `rectified: true` "
        "in the calibration file."
    )
    remarks.append(Remark("lens_undone", text))
    target = raw if projection is None else projection
    model = replace(model, intrinsics=target, raw_intrinsics=raw, lens=lens)
    return _in_pair(model, message, left, what, remarks, turned=projection is not None)


def filed_model(known: SensorCalibration, source: str) -> CameraModel:
    """Return the model of a camera whose intrinsics are in a calibration file."""
    area = ImageArea(known.size or (0, 0))
    lens = None if known.rectified else known.lens
    if lens is not None and lens.is_pinhole:
        lens = None
    if lens is not None and known.size:
        check_turning(lens, known.intrinsics, known.size, f"calibration of {source}")
    return CameraModel(known.intrinsics, known.intrinsics, lens, area, said_by="calibration")


def _base(message: Any, what: str) -> CameraModel:
    """Return what all kinds of messages say: size, region, binning, frame."""
    size, part = (int(message.width), int(message.height)), message.roi
    region = (int(part.x_offset), int(part.y_offset), int(part.width), int(part.height))
    if not (region[2] and region[3]) or region == (0, 0, *size):
        region = None
    elif 0 not in size and (region[0] + region[2] > size[0] or region[1] + region[3] > size[1]):
        raise InputError(
            what,
            found=f"a region of interest {region} beside a size of {size[0]}x{size[1]}",
            expected="x, y, width and height within the size",
            do="Look at the driver; the camera is left out",
            reason="size_mismatch",
        )
    binning = (max(int(message.binning_x), 1), max(int(message.binning_y), 1))
    area = ImageArea(size, region, binning)
    nothing = np.eye(3)
    return CameraModel(nothing, nothing, area=area, frame_id=message.header.frame_id.lstrip("/"))


def _projection(
    left: NDArray, area: ImageArea, what: str, remarks: list[Remark]
) -> NDArray | None:
    """Return the (3, 3) left of P, None where P is empty or cannot be a projection."""
    matrix = left[:, :3]
    if not matrix[:2].any() or np.array_equal(matrix, np.eye(3)):
        return None
    try:
        matrix = check_pinhole(matrix, what, "the left of P")
        if 0 not in area.size:
            place_image(ImageArea(area.size), area.size, matrix, f"{what}, P")
    except InputError as error:
        said = f"{what}: found {error.found}; expected P to be the matrix of rectified images"
        remarks.append(_doubt(said, "P"))
        return None
    return matrix


def _in_pair(
    model: CameraModel,
    message: Any,
    left: NDArray,
    what: str,
    remarks: list[Remark],
    *,
    turned: bool,
) -> CameraModel:
    """Add what R and the fourth column of P say."""
    rotation = _rotation(np.reshape(message.r, (3, 3)).astype(np.float64), what, remarks)
    first = np.zeros(3)
    if left[0, 0] > 0 and left[1, 1] > 0 and left[:, 3].any():
        first = np.array([left[0, 3] / left[0, 0], left[1, 3] / left[1, 1], 0.0])
        if not np.isfinite(first).all() or np.abs(first).max() > 10.0 or left[2, 3]:
            said = f"{what}: found P with a fourth column of {left[:, 3].tolist()}; expected "
            remarks.append(_doubt(said + "-fx times a baseline of metres", "the column"))
            first = np.zeros(3)
    return replace(
        model,
        rotation=rotation if turned else np.eye(3),
        first_camera=first if turned else rotation.T @ first,
        remarks=tuple(remarks),
    )


def _rotation(matrix: NDArray, what: str, remarks: list[Remark]) -> NDArray[np.float64]:
    if not matrix.any():
        return np.eye(3)
    if not np.abs(matrix).max() <= 1.001:
        said = f"{what}: found R = {matrix.ravel().tolist()}; expected a rotation"
        remarks.append(_doubt(said, "R"))
        return np.eye(3)
    turn = np.degrees(np.arccos(np.clip((np.trace(matrix) - 1) / 2, -1, 1)))
    right = np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-3) and np.linalg.det(matrix) > 0
    if right and turn <= STEEPEST:
        return matrix
    found = f"a turn of {turn:.0f} degrees" if right else f"{matrix.ravel().tolist()}"
    said = f"{what}: found R = {found}; expected the small turn of a rectification"
    remarks.append(_doubt(said, "R"))
    return np.eye(3)


def _projection_unused(what: str) -> Remark:
    text = (
        f"{what}: found P other than K, without distortion; the images are taken as raw, by K. If "
        "they are rectified, use a topic whose name has `rect` in it, or write `rectified: true` "
        "in the calibration file."
    )
    return Remark("projection_unused", text)


def _doubt(said: str, thing: str) -> Remark:
    return Remark("contradicting_camera_info", f"{said}. It goes on without {thing}.")


def _no_projection(what: str, lens: Lens) -> InputError:
    return InputError(
        what,
        found=f"{lens.name} and no P that can be, beside images that are called rectified",
        expected="P, the matrix of the rectified images",
        do="Use the raw topic, which is rectified here, or fill P in",
        reason="no_intrinsics",
    )


def _content(message: Any) -> tuple:
    part = message.roi
    return (
        message.header.frame_id,
        message.distortion_model,
        *(np.asarray(values, np.float64).tobytes() for values in (message.k, message.p)),
        *(np.asarray(values, np.float64).tobytes() for values in (message.r, message.d)),
        *(message.width, message.height, message.binning_x, message.binning_y),
        *(part.x_offset, part.y_offset, part.width, part.height),
    )
