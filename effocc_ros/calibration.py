"""Calibration files, for vehicles whose bags lack CameraInfo or tf."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.geometry import rigid

KEYS = {"intrinsics": (3, 3), "size": (2,), "translation": (3,), "rotation": (4,)}
"""What a calibration file may say of a sensor, and the shapes."""


@dataclass(frozen=True)
class SensorCalibration:
    """What is known of one sensor; None where the file does not say.

    Attributes:
        intrinsics: (3, 3) pinhole matrix in pixels.
        size: (width, height) of the images that ``intrinsics`` is for.
        sensor2base: (4, 4) sensor frame (optical frame of a camera) to base frame.
    """

    intrinsics: NDArray[np.float64] | None = None
    size: tuple[int, int] | None = None
    sensor2base: NDArray[np.float64] | None = None


def load_calibration(path: Path | str) -> dict[str, SensorCalibration]:
    """Read a calibration file.

    The YAML file maps sensor names to ``intrinsics`` (3 x 3), ``size`` (width, height),
    ``translation`` (x, y, z in metres in the base frame) and ``rotation`` (quaternion w, x, y, z,
    sensor to base); each is optional, but the last two come together.

    Raises:
        InputError: The file is absent or not of this form.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _bad(path, str(error).replace("\n", " "), "a YAML file that can be read") from error
    if not isinstance(content, dict):
        raise _bad(path, type(content).__name__, "a mapping of sensor names")
    return {name: _sensor(path, name, values) for name, values in content.items()}


def _sensor(path: Path, name: str, values: Any) -> SensorCalibration:
    if not isinstance(values, dict) or not set(values) <= set(KEYS):
        raise _bad(path, f"{name}: {values}", f"keys out of {', '.join(KEYS)}")
    arrays = {}
    for key, value in values.items():
        try:
            arrays[key] = np.array(value, np.float64)
        except (TypeError, ValueError):
            arrays[key] = np.empty(0)
        if arrays[key].shape != KEYS[key] or not np.isfinite(arrays[key]).all():
            raise _bad(path, f"{name}.{key} = {value}", f"numbers of shape {KEYS[key]}")
    if ("translation" in arrays) != ("rotation" in arrays):
        raise _bad(path, f"{name} with {', '.join(arrays)}", "translation and rotation together")
    focal = np.diag(arrays.get("intrinsics", np.eye(3)))[:2]
    if min(*focal, *arrays.get("size", [1])) <= 0:
        raise _bad(path, f"{name}: {values}", "focal lengths and a size above 0")
    pose = size = None
    if "rotation" in arrays:
        if abs(np.linalg.norm(arrays["rotation"]) - 1.0) > 1e-3:
            raise _bad(path, f"{name}.rotation of length other than 1", "a unit quaternion")
        pose = rigid(arrays["rotation"], arrays["translation"])
    if "size" in arrays:
        size = int(arrays["size"][0]), int(arrays["size"][1])
    return SensorCalibration(arrays.get("intrinsics"), size, pose)


def _bad(path: Path, found: str, expected: str) -> InputError:
    return InputError(
        f"calibration file {path}", found=found, expected=expected, reason="bad_calibration"
    )
