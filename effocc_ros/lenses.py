# SPDX-License-Identifier: Apache-2.0
"""Lens distortion, and the maps that undo it.

The models are those of sensor_msgs/CameraInfo: ``plumb_bob`` and ``rational_polynomial`` (Brown,
1966; OpenCV's calib3d) and ``equidistant`` (Kannala and Brandt, 2006; OpenCV's fisheye).
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError

PINHOLE, FISHEYE = "plumb_bob", "equidistant"

FAMILIES = {
    PINHOLE: (
        *("", "plumb_bob", "rational_polynomial", "thin_prism", "radtan", "brown_conrady"),
        *("modified_brown_conrady", "none", "pinhole", "perspective", "rectilinear"),
        *("no_distortion", "undistorted", "rational"),
    ),
    FISHEYE: (
        *("equidistant", "fisheye", "equi", "opencv_fisheye"),
        *("kannala_brandt", "kannala_brandt4", "kb4"),
    ),
}
"""Family of lens -> what drivers write as distortion_model for it."""

COUNTS = {PINHOLE: (4, 5, 8, 12, 14), FISHEYE: (4,)}
"""Numbers of coefficients that OpenCV knows."""

LARGEST = 1e6
"""No calibration gives a coefficient like this."""

STEPS = 512
"""Radii at which a lens is looked at for a place where it turns back."""


@dataclass(frozen=True)
class Lens:
    """How a lens bends rays.

    Attributes:
        family: ``plumb_bob`` (with any of OpenCV's numbers of coefficients) or ``equidistant``.
        coefficients: D, in OpenCV's order; none is zero distortion, which of a fisheye still is
            no pinhole (radius = focal length times angle).
    """

    family: str
    coefficients: tuple[float, ...] = ()

    @property
    def is_pinhole(self) -> bool:
        """Whether images need no correction."""
        return self.family == PINHOLE and not any(self.coefficients)

    @property
    def name(self) -> str:
        """What it is called in texts."""
        if self.family == FISHEYE:
            return "equidistant (fisheye) projection"
        return f"lens distortion ({len(self.coefficients)} coefficients)"

    def turning_radius(self) -> float:
        """Return the distortion's last radius in the image, in focal lengths.

        Beyond it the polynomial turns back, and rays from far outside of the calibrated field
        would fall into the image once more.
        """
        return _turning(self)[1]


def read_lens(model: str, coefficients: NDArray, what: str) -> Lens:
    """Read distortion_model and D of a CameraInfo.

    Raises:
        InputError: The model is unknown, or cannot have these coefficients.
    """
    values = np.array(coefficients, np.float64).ravel()
    while len(values) > 4 and not values[-1] and len(values) not in COUNTS[PINHOLE]:
        values = values[:-1]
    written = model.strip().lower().replace(" ", "_").replace("-", "_")
    family = next((key for key, names in FAMILIES.items() if written in names), None)
    if family is None:
        known = ", ".join(name for names in FAMILIES.values() for name in names if name)
        raise _bad(what, f"distortion_model '{model}'", f"one of {known}", "unknown_lens")
    if family == FISHEYE and not values[4:].any():
        values = values[:4]
    if not values.any():
        return Lens(family)
    if not np.abs(values).max() < LARGEST or len(values) not in COUNTS[family]:
        counts = ", ".join(map(str, COUNTS[family]))
        found = f"distortion_model '{model}' with D = {values.tolist()}"
        raise _bad(what, found, f"{counts} finite coefficients", "bad_lens")
    return Lens(family, tuple(values.tolist()))


def check_turning(lens: Lens, matrix: NDArray, size: tuple[int, int], what: str) -> None:
    """Refuse coefficients that cannot be of a camera: they fold the inner half of its image.

    Raises:
        InputError: They do.
    """
    reach = lens.turning_radius() * min(matrix[0, 0], matrix[1, 1])
    if reach < min(size) / 4:
        raise _bad(
            what,
            f"D = {list(lens.coefficients)}, by which the image ends {reach:.0f} pixels from its "
            f"middle, beside a size of {size[0]}x{size[1]}",
            "coefficients and a distortion_model of one calibration",
            "bad_lens",
        )


@lru_cache(maxsize=16)
def rectifying_maps(
    lens: Lens, raw: bytes, rotation: bytes, target: bytes, size: tuple[int, int]
) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
    """Return the maps with which :func:`rectify` takes a lens out of images of one size.

    Args:
        lens: What bends the rays.
        raw: (3, 3) float64 bytes, matrix of the images as they come.
        rotation: (3, 3) float64 bytes, camera frame to the rectified camera's frame.
        target: (3, 3) float64 bytes, matrix of the rectified images.
        size: (width, height) of both.

    Returns:
        Fixed-point maps of cv2.remap. What the lens cannot see points outside of the image.
    """
    matrix, turn, wanted = (np.frombuffer(each).reshape(3, 3) for each in (raw, rotation, target))
    width, height = size
    to_ray = np.linalg.inv(wanted @ turn)
    u, v = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)[:, None]
    x, y, z = (row[0] * u + row[1] * v + row[2] for row in to_ray)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        bent_x, bent_y, seen = _bend(lens, x, y, z)
    across = matrix[0, 0] * bent_x + matrix[0, 1] * bent_y + matrix[0, 2]
    down = matrix[1, 1] * bent_y + matrix[1, 2]
    seen &= (across > -1) & (across < width) & (down > -1) & (down < height)
    across, down = (np.where(seen, each, -2.0).astype(np.float32) for each in (across, down))
    return cv2.convertMaps(across, down, cv2.CV_16SC2)


def rectify(image: NDArray[np.uint8], maps: tuple[NDArray, NDArray]) -> NDArray[np.uint8]:
    """Take the lens out of an image (H, W, 3); black where it did not look."""
    return cv2.remap(image, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _bend(lens: Lens, x: NDArray, y: NDArray, z: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Bend rays: image coordinates in focal lengths, and which rays the lens can see."""
    last = _turning(lens)[0]
    if lens.family == FISHEYE:
        across = np.hypot(x, y)
        # The angle, not the slope: rays from behind the lens must not come out mirrored.
        angle = np.arctan2(across, z)
        scale = np.where(across > 0, _bent_radius(lens, angle) / across, 1 / z)
        return x * scale, y * scale, angle < last
    x, y, front = x / z, y / z, z > 0
    square = x * x + y * y
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, tilt_x, tilt_y = _padded(lens)
    radial = 1 + square * (k1 + square * (k2 + square * k3))
    radial = radial / (1 + square * (k4 + square * (k5 + square * k6)))
    bent_x = x * radial + 2 * p1 * x * y + p2 * (square + 2 * x * x)
    bent_y = y * radial + p1 * (square + 2 * y * y) + 2 * p2 * x * y
    bent_x, bent_y = bent_x + square * (s1 + square * s2), bent_y + square * (s3 + square * s4)
    if tilt_x or tilt_y:
        tilted = _tilt(tilt_x, tilt_y)
        bent_x, bent_y, depth = (row[0] * bent_x + row[1] * bent_y + row[2] for row in tilted)
        bent_x, bent_y = bent_x / depth, bent_y / depth
    return bent_x, bent_y, front & (square < last * last)


def _padded(lens: Lens) -> tuple[float, ...]:
    return lens.coefficients + (0.0,) * (14 - len(lens.coefficients))


def _bent_radius(lens: Lens, radius: NDArray) -> NDArray:
    """Return distance from the middle, in focal lengths, of an angle or of a slope."""
    square = radius * radius
    if lens.family == FISHEYE:
        k1, k2, k3, k4 = _padded(lens)[:4]
        return radius * (1 + square * (k1 + square * (k2 + square * (k3 + square * k4))))
    k1, k2, _, _, k3, k4, k5, k6 = _padded(lens)[:8]
    radial = 1 + square * (k1 + square * (k2 + square * k3))
    return radius * radial / (1 + square * (k4 + square * (k5 + square * k6)))


@lru_cache(maxsize=64)
def _turning(lens: Lens) -> tuple[float, float]:
    """Return the last angle or slope before the lens turns back, and its place in the image."""
    end = np.pi if lens.family == FISHEYE else 10.0
    inner = np.linspace(0.0, end, STEPS * (1 if lens.family == FISHEYE else 8))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        bent = _bent_radius(lens, inner)
    falling = np.flatnonzero(~(np.diff(bent) > 0))
    last = falling[0] if len(falling) else len(inner) - 1
    return float(inner[last]), float(bent[last])


def _tilt(across: float, down: float) -> NDArray[np.float64]:
    """Return OpenCV's matrix of a sensor that is tilted (Scheimpflug)."""
    (cx, sx), (cy, sy) = ((np.cos(angle), np.sin(angle)) for angle in (across, down))
    turn_x = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    turn_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    turn = turn_y @ turn_x
    project = np.array([[turn[2, 2], 0, -turn[0, 2]], [0, turn[2, 2], -turn[1, 2]], [0, 0, 1]])
    return project @ turn


def _bad(what: str, found: str, expected: str, reason: str) -> InputError:
    do = "Rectify upstream (image_proc), or give a calibration file; the camera is left out"
    return InputError(what, found=found, expected=expected, do=do, reason=reason)
