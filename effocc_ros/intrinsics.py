# SPDX-License-Identifier: Apache-2.0
"""Which pinhole matrix belongs to an image: one check and one scaling, whoever says it.

CameraInfo, calibration files and tables of data sets all give a matrix and the size of the images
that it is for; images come cropped, binned or shrunk. Pixel centres have whole coordinates, so
that the corner of an image lies at (-1/2, -1/2) at every scale: u' + 1/2 = s (u + 1/2).
"""

import logging
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError

logger = logging.getLogger(__name__)

Size = tuple[int, int]
"""(width, height) in pixels; a 0 means that nobody said."""

WIDEST = np.radians(175.0)
"""A pinhole that sees further is none: the matrix is a placeholder, as the identity is."""
NARROWEST = np.radians(0.5)
EDGE = 0.02
"""Part of the image at each side in which no principal point is believed."""
OFF_CENTRE = 0.2
"""Part of the image at each side in which a principal point is worth a remark."""
ALIKE = 0.03
"""How alike two parts of the size are that come from one scale."""
CENTRAL = 0.05
"""How far from the middle, as part of the size, a principal point counts as being there."""


@dataclass(frozen=True)
class ImageArea:
    """Which part of a sensor an image shows.

    Attributes:
        size: (width, height) of the whole sensor's image, for which the matrix is given.
        region: x, y, width and height of a region of interest in its pixels; None for the whole.
        binning: Sensor pixels per image pixel, across and down.
    """

    size: Size = (0, 0)
    region: tuple[int, int, int, int] | None = None
    binning: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Placement:
    """Where an image's pixels lie on its sensor.

    Attributes:
        matrix: (3, 3) sensor pixel to image pixel, a scale and a shift.
        remark: What contradicts what, and how it was understood; empty where all agree.
    """

    matrix: NDArray[np.float64]
    remark: str = ""


def check_pinhole(matrix: NDArray, what: str, name: str = "K") -> NDArray[np.float64]:
    """Return a (3, 3) pinhole matrix if it can be one: finite, upper triangular, focal lengths.

    Args:
        matrix: The matrix.
        what: Whose, for errors.
        name: What it is called there.

    Raises:
        InputError: It cannot.
    """
    matrix = np.array(matrix, np.float64)
    focal = matrix[0, 0], matrix[1, 1]
    if (
        not np.isfinite(matrix).all()
        or min(focal) <= 0
        or max(focal) > 3 * min(focal)
        or np.abs([matrix[1, 0], *matrix[2, :2]]).max() > 1e-6
        or not np.isclose(matrix[2, 2], 1.0)
    ):
        raise InputError(
            what,
            found=f"{name} = {_numbers(matrix)}",
            expected="[fx s cx; 0 fy cy; 0 0 1] with focal lengths above 0",
            do="Calibrate the camera, or give a calibration file",
            reason="no_intrinsics",
        )
    return matrix


def place_image(
    area: ImageArea, image: Size, matrix: NDArray[np.float64], what: str, *, fisheye: bool = False
) -> Placement:
    """Find out how an image lies on the sensor that a matrix is for.

    The size of the image decides. It is the region of interest or the whole sensor, binned or
    shrunk alike in width and height. Where it can be neither, but the matrix has its principal
    point in the middle of this very image, the matrix is of the image and the size is wrong.

    Args:
        area: What is said of the sensor.
        image: (width, height) of the image.
        matrix: (3, 3) pinhole matrix of the whole sensor.
        what: Whose, for errors and remarks.
        fisheye: Whether the lens is one, for which focal lengths do not limit the field of view.

    Raises:
        InputError: The image cannot be of this sensor, or the matrix not of this image.
    """
    placement = _placement(area, image, matrix, what)
    whole = _is_whole(area, placement)
    seen = placement.matrix @ matrix
    _check_view(seen, image, what, whole=whole, fisheye=fisheye)
    if whole and not placement.remark and _is_off(seen, image):
        remark = (
            f"{what}: found the principal point at {_point(seen)} of {_dims(image)} images; "
            "expected it nearer to the middle. The matrix is used as it is; if it is of another "
            "resolution or crop, calibrate for this one."
        )
        return Placement(placement.matrix, remark)
    return placement


def intrinsics_of_image(
    matrix: NDArray, size: Size, image: Size, what: str
) -> NDArray[np.float64]:
    """Return the pinhole matrix in pixels of an image that may be shrunk.

    What contradicts itself, but can be used, is logged once.

    Args:
        matrix: (3, 3) for images of ``size``.
        size: (width, height) that the matrix is for.
        image: (width, height) of the image.
        what: Whose, for errors.

    Raises:
        InputError: The matrix is none of a camera, or not of this image.
    """
    matrix = check_pinhole(matrix, what)
    placement = place_image(ImageArea(size), image, matrix, what)
    if placement.remark:
        _log_once(placement.remark)
    return placement.matrix @ matrix


@lru_cache(maxsize=256)
def _log_once(text: str) -> None:
    logger.warning("%s", text)


def _placement(area: ImageArea, image: Size, matrix: NDArray, what: str) -> Placement:
    if 0 in area.size and area.region is None:
        return Placement(np.eye(3))
    region = area.region
    for fits in (_is_binned, _is_scaled):
        if region is not None and fits(region[2:], area.binning, image):
            return Placement(_onto(region, image))
        if 0 not in area.size and fits(area.size, area.binning, image):
            return _whole(area, image, matrix, what)
    if _is_central(matrix, image):
        said = f"a size of {_dims(area.size)} beside {_dims(image)} images"
        why = "the matrix, which has its middle in theirs, is used as it is"
        return Placement(np.eye(3), _overruled(what, said, why))
    known = f"{_dims(area.size)}" + (f", region {_dims(region[2:])}" if region else "")
    raise InputError(
        what,
        found=f"an image of {_dims(image)} beside intrinsics for {known}",
        expected="an image of that size, or one shrunk alike in width and height",
        do="Calibrate the mode that the camera runs in; the camera is left out",
        reason="size_mismatch",
    )


def _whole(area: ImageArea, image: Size, matrix: NDArray, what: str) -> Placement:
    whole = _onto((0, 0, *area.size), image)
    if area.region is not None:
        said = f"a region of interest of {_dims(area.region[2:])} beside {_dims(image)} images"
        return Placement(whole, _overruled(what, said, "the whole image is taken"))
    if image != area.size and _is_of_image(whole @ matrix, matrix, image):
        said = f"a matrix of {_dims(image)} images beside a size of {_dims(area.size)}"
        return Placement(np.eye(3), _overruled(what, said, "the matrix is used as it is"))
    return Placement(whole)


def _is_binned(size: Size, binning: tuple[int, int], image: Size) -> bool:
    """Return whether an image is ``size``, binned as it is said, to a pixel."""
    wanted = np.array(size) / binning
    return bool((np.abs(wanted - image) <= (np.array(binning) > 1)).all())


def _is_scaled(size: Size, binning: tuple[int, int], image: Size) -> bool:
    """Return whether an image is ``size`` scaled alike in width and height, to a pixel."""
    skew = abs(image[0] * size[1] - image[1] * size[0])
    return skew <= max(*size, *image)


def _onto(region: tuple[int, int, int, int], image: Size) -> NDArray[np.float64]:
    """Return what takes pixels of the sensor to those of an image of a region."""
    x, y, width, height = region
    matrix = np.diag([image[0] / width, image[1] / height, 1.0])
    matrix[:2, 2] = np.diag(matrix)[:2] * (0.5 - np.array([x, y])) - 0.5
    return matrix


def _is_of_image(scaled: NDArray, matrix: NDArray, image: Size) -> bool:
    """Return whether a matrix is of the shrunk image already, by its principal point."""
    return _is_central(matrix, image) and not _within(scaled, image, OFF_CENTRE)


def _is_central(matrix: NDArray, image: Size) -> bool:
    return _within(matrix, image, 0.5 - CENTRAL)


def _is_whole(area: ImageArea, placement: Placement) -> bool:
    return area.region is None or bool(placement.remark)


def _within(matrix: NDArray, image: Size, margin: float) -> bool:
    """Return whether the principal point is further than a part of the size from each edge."""
    place = (matrix[:2, 2] + 0.5) / image
    return bool(((place >= margin) & (place <= 1 - margin)).all())


def _is_off(matrix: NDArray, image: Size) -> bool:
    """Return whether a principal point is worth a remark.

    One that is off by the same part of width and height is of another resolution.
    """
    across, down = (matrix[:2, 2] + 0.5) / image
    alike = abs(across - down) < ALIKE and abs(across - 0.5) > 3 * ALIKE
    return alike or not _within(matrix, image, OFF_CENTRE)


def _check_view(matrix: NDArray, image: Size, what: str, *, whole: bool, fisheye: bool) -> None:
    views = 2 * np.arctan(np.array(image) / 2 / np.diag(matrix)[:2])
    if not fisheye and (views.max() > WIDEST or views.max() < NARROWEST):
        degrees = " x ".join(f"{value:.3g}" for value in np.degrees(views))
        raise InputError(
            what,
            found=f"{_numbers(matrix)}, which sees {degrees} degrees with {_dims(image)} images",
            expected="the focal lengths of a calibrated camera",
            do="Calibrate the camera, or give a calibration file",
            reason="no_intrinsics",
        )

    if whole and not _within(matrix, image, EDGE):
        raise InputError(
            what,
            found=f"the principal point at {_point(matrix)} of images of {_dims(image)}",
            expected="it inside of them",
            do="Give the intrinsics of this resolution; the camera is left out",
            reason="size_mismatch",
        )


def _overruled(what: str, found: str, done: str) -> str:
    return (
        f"{what}: found {found}; expected them to agree. By the principal point and the size of "
        f"the images, {done}."
    )


def _numbers(matrix: NDArray) -> str:
    return "[" + "; ".join(" ".join(f"{value:.6g}" for value in row) for row in matrix) + "]"


def _point(matrix: NDArray) -> str:
    return f"({matrix[0, 2]:.1f}, {matrix[1, 2]:.1f})"


def _dims(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))
