"""PointCloud2 messages to arrays of x, y, z, intensity."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError

KINDS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
"""PointField datatype -> numpy type."""

INTENSITY_NAMES = ("intensity", "i", "reflectivity")


def decode_cloud(
    message: Any, source: str, intensity_scale: float = 1.0
) -> tuple[NDArray[np.float32], int]:
    """Read a PointCloud2 of any layout.

    Args:
        message: sensor_msgs PointCloud2.
        source: The LiDAR's name, for errors.
        intensity_scale: Factor that brings the intensity to 0..255.

    Returns:
        (N, 4) float32 x, y, z in metres in the sensor's frame and intensity (0 where it is absent
        or not finite), and how many points were left out because a coordinate is not finite.

    Raises:
        InputError: x, y or z is missing, the data are big-endian or too few, or no point is left.
    """
    fields = {field.name.lower(): field for field in message.fields}
    _check(message, fields, source)
    count = message.width * message.height
    data = np.frombuffer(message.data, np.uint8)
    if message.row_step > message.width * message.point_step:
        rows = data[: message.height * message.row_step].reshape(message.height, -1)
        data = rows[:, : message.width * message.point_step].reshape(-1)
    intensity = next((fields[name] for name in INTENSITY_NAMES if name in fields), None)
    points = np.zeros((count, 4), np.float32)
    columns = [fields["x"], fields["y"], fields["z"], intensity]
    for column, field in enumerate(columns):
        if field is not None:
            points[:, column] = _column(data, field, count, message.point_step)
    points[:, 3] *= intensity_scale
    np.nan_to_num(points[:, 3], copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    finite = np.isfinite(points[:, :3]).all(axis=1)
    lost = count - int(np.count_nonzero(finite))
    if lost == count:
        raise _bad(source, f"{count} points, none of them finite", "finite x, y, z", "nan_cloud")
    return (points[finite] if lost else points), lost


def _column(data: NDArray, field: Any, count: int, step: int) -> NDArray:
    """View one field of all points without a copy."""
    kind = np.dtype("<" + KINDS[field.datatype])
    return np.ndarray((count,), kind, data, offset=field.offset, strides=(step,))


def _check(message: Any, fields: dict, source: str) -> None:
    missing = [name for name in "xyz" if name not in fields]
    if missing:
        found = f"fields {', '.join(fields) or '(none)'}"
        raise _bad(source, found, "fields x, y and z", "cloud_without_xyz")
    if message.is_bigendian:
        raise _bad(source, "big-endian data", "little-endian data", "big_endian_cloud")
    if not message.width * message.height:
        raise _bad(source, "an empty cloud", "at least one point", "empty_cloud")
    strange = [f.name for f in fields.values() if f.datatype not in KINDS]
    beyond = [
        f.name
        for f in fields.values()
        if f.datatype in KINDS
        and f.offset + np.dtype(KINDS[f.datatype]).itemsize > message.point_step
    ]
    if strange or beyond:
        found = f"field {', '.join(strange + beyond)} of unknown type or beyond point_step"
        raise _bad(source, found, f"fields within {message.point_step} bytes", "bad_cloud")
    needed = message.height * max(message.row_step, message.width * message.point_step)
    if len(message.data) < needed:
        size = f"{message.width}x{message.height} points of {message.point_step} bytes"
        found = f"{len(message.data)} bytes for {size}"
        raise _bad(source, found, f"{needed} bytes", "short_cloud")


def _bad(source: str, found: str, expected: str, reason: str) -> InputError:
    do = "Look at the driver or the bag; this cloud is left out"
    return InputError(f"cloud of {source}", found=found, expected=expected, do=do, reason=reason)
