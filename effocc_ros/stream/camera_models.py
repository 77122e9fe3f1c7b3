# SPDX-License-Identifier: Apache-2.0
"""What one CameraInfo says of a camera, and what in it contradicts the rest."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.geometry import rotation_angle
from effocc_ros.intrinsics import ImageArea, check_pinhole, place_image
from effocc_ros.lenses import FISHEYE, Lens, check_turning, read_lens
from effocc_ros.stream.camera_view import CameraModel
from effocc_ros.stream.report import Remark

ALIKE, RESCALED = 0.03, 1.2
"""How alike the ratios of P and K are, and how far from 1, where they are of two resolutions."""
STEEPEST = 45.0
"""Degrees beyond which R is no rectification, but a mounting pose that someone wrote there."""


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
    projection = _projection(left, raw, model.area, what, remarks)
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
    left: NDArray, raw: NDArray, area: ImageArea, what: str, remarks: list[Remark]
) -> NDArray | None:
    """Return the (3, 3) left of P, None where P is empty or cannot be a projection.

    One that is K times a factor is of another resolution.
    """
    matrix = left[:, :3]
    if not matrix[:2].any() or np.array_equal(matrix, np.eye(3)):
        return None
    try:
        matrix = check_pinhole(matrix, what, "the left of P")
        if 0 not in area.size:
            place_image(ImageArea(area.size), area.size, matrix, f"{what}, P")
        _check_scale(matrix, raw, what)
    except InputError as error:
        said = f"{what}: found {error.found}; expected P to be the matrix of rectified images"
        remarks.append(_doubt(said, "P"))
        return None
    return matrix


def _check_scale(matrix: NDArray, raw: NDArray, what: str) -> None:
    """Refuse P if its focal lengths and its middle are those of K times one factor."""
    places = ((0, 0), (1, 1), (0, 2), (1, 2))
    if not all(raw[place] > 0 for place in places):
        return
    ratios = np.array([matrix[place] / raw[place] for place in places])
    scale = ratios.mean()
    if np.abs(ratios - scale).max() < ALIKE * scale and abs(np.log(scale)) > np.log(RESCALED):
        raise InputError(what, found=f"P that is {scale:.3g} times K", expected="")


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
    turn = rotation_angle(matrix)
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
