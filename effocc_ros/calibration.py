# SPDX-License-Identifier: Apache-2.0
"""Calibration files, for vehicles whose bags lack CameraInfo or tf."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.geometry import rigid
from effocc_ros.intrinsics import check_pinhole
from effocc_ros.lenses import Lens, read_lens
from effocc_ros.plain_files import read_yaml

ARRAYS = {"intrinsics": (3, 3), "size": (2,), "translation": (3,), "rotation": (4,)}
"""Arrays that a calibration file may give for a sensor, and their shapes."""
KEYS = (*ARRAYS, "distortion_model", "distortion", "rectified")
"""All that it may say."""
LARGEST_SIZE = 65_535
"""Pixels; what a JPEG can have."""
NAMES_SHOWN = 12
FURTHEST = 100.0
"""Metres from a sensor to the base frame; more is a mistake of unit."""


@dataclass(frozen=True)
class SensorCalibration:
    """What is known of one sensor; None where the file does not say.

    Attributes:
        intrinsics: (3, 3) pinhole matrix in pixels.
        size: (width, height) of the images that ``intrinsics`` is for.
        sensor2base: (4, 4) sensor frame (optical frame of a camera) to base frame.
        lens: Distortion of a camera's images, which is undone.
        rectified: Whether a camera's images are rectified already, also where CameraInfo gives a
            lens; None: their topic's name tells.
    """

    intrinsics: NDArray[np.float64] | None = None
    size: tuple[int, int] | None = None
    sensor2base: NDArray[np.float64] | None = None
    lens: Lens | None = None
    rectified: bool | None = None


def load_calibration(path: Path | str) -> dict[str, SensorCalibration]:
    """Read a calibration file.

    The YAML file maps sensor names to ``intrinsics`` (3 x 3), ``size`` (width, height),
    ``translation`` (x, y, z in metres in the base frame) and ``rotation`` (quaternion w, x, y, z,
    sensor to base), ``distortion_model`` and ``distortion`` (as distortion_model and D of
    CameraInfo) and ``rectified`` (true or false); each is optional, but translation and rotation
    come together.

    Raises:
        InputError: The file is absent or not of this form.
    """
    path = Path(path)
    try:
        content = read_yaml(path)
    except (OSError, ValueError) as error:
        raise _bad(path, str(error), "a YAML file that can be read") from error
    if not isinstance(content, dict):
        raise _bad(path, type(content).__name__, "a mapping of sensor names")
    return {name: _sensor(path, name, values) for name, values in content.items()}


def strangers(
    path: Path | str, calibration: Mapping[str, SensorCalibration], sensors: Collection[str]
) -> str:
    """Return what to say of names in a calibration file that no sensor has; empty for none.

    Args:
        path: The file.
        calibration: What it says.
        sensors: Names of the vehicle's sensors.

    Raises:
        InputError: All names are such.
    """
    sensors = [name for name in sensors if name]
    names = ", ".join(sorted(calibration.keys() - set(sensors))[:NAMES_SHOWN])
    expected = f"names of the vehicle's sensors: {', '.join(sensors) or 'it has none'}"
    if names and not calibration.keys() & set(sensors):
        raise InputError(
            f"calibration file {path}",
            found=names,
            expected=expected,
            do="Correct the names in the file, or name another file",
            reason="bad_calibration",
        )
    return names and (
        f"calibration file {path}: found {names}; expected {expected}. What it says of others is "
        "not used: correct the names, or leave them out."
    )


def not_filed(calibration: Mapping[str, SensorCalibration], name: str) -> str:
    """Return a hint that a calibration file does not have a sensor, which may be called otherwise.

    Empty where there is no file, or it has the sensor.
    """
    if not calibration or name in calibration:
        return ""
    return (
        f". The calibration file has no {name} but {', '.join(sorted(calibration)[:NAMES_SHOWN])}"
    )


def _sensor(path: Path, name: Any, values: Any) -> SensorCalibration:
    if not isinstance(name, str):
        raise _bad(path, f"sensor {name!r}", "a name, such as CAM_FRONT")
    if not isinstance(values, dict) or not set(values) <= set(KEYS):
        raise _bad(path, f"{name}: {values}", f"keys out of {', '.join(KEYS)}")
    arrays = {}
    for key in ARRAYS.keys() & values.keys():
        try:
            arrays[key] = np.array(values[key], np.float64)
        except (TypeError, ValueError):
            arrays[key] = np.empty(0)
        if arrays[key].shape != ARRAYS[key] or not np.isfinite(arrays[key]).all():
            raise _bad(path, f"{name}.{key} = {values[key]}", f"numbers of shape {ARRAYS[key]}")
    if ("translation" in arrays) != ("rotation" in arrays):
        raise _bad(path, f"{name} with {', '.join(arrays)}", "translation and rotation together")
    if "intrinsics" in arrays:
        try:
            check_pinhole(arrays["intrinsics"], name, "intrinsics")
        except InputError as error:
            raise _bad(path, f"{name}.{error.found}", error.expected) from error
    size = arrays.get("size", np.ones(2))
    if min(size) <= 0 or max(size) > LARGEST_SIZE or (size % 1).any():
        raise _bad(path, f"{name}: {values}", f"a size above 0, up to {LARGEST_SIZE} pixels")
    if np.abs(arrays.get("translation", 0)).max() > FURTHEST:
        raise _bad(path, f"{name}: {values}", f"a translation in metres, up to {FURTHEST:g}")
    if not isinstance(values.get("rectified", True), bool):
        raise _bad(path, f"{name}.rectified = {values['rectified']}", "true or false")
    pose = size = None
    if "rotation" in arrays:
        if abs(np.linalg.norm(arrays["rotation"]) - 1.0) > 1e-3:
            raise _bad(path, f"{name}.rotation of length other than 1", "a unit quaternion")
        pose = rigid(arrays["rotation"], arrays["translation"])
    if "size" in arrays:
        size = int(arrays["size"][0]), int(arrays["size"][1])
    lens = _lens(path, name, values)
    return SensorCalibration(arrays.get("intrinsics"), size, pose, lens, values.get("rectified"))


def _lens(path: Path, name: str, values: dict[str, Any]) -> Lens | None:
    if "distortion" not in values and "distortion_model" not in values:
        return None
    if "intrinsics" not in values:
        raise _bad(path, f"{name} with {', '.join(values)}", "intrinsics beside distortion")
    model, numbers = values.get("distortion_model", "plumb_bob"), values.get("distortion", [])
    try:
        coefficients = np.array(numbers, np.float64)
    except (TypeError, ValueError):
        raise _bad(path, f"{name}.distortion = {numbers}", "a list of numbers") from None
    try:
        return read_lens(str(model), coefficients, name)
    except InputError as error:
        raise _bad(path, f"{name} with {error.found}", error.expected) from error


def _bad(path: Path, found: str, expected: str) -> InputError:
    return InputError(
        f"calibration file {path}", found=found, expected=expected, reason="bad_calibration"
    )
