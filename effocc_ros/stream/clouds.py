# SPDX-License-Identifier: Apache-2.0
"""PointCloud2 messages to arrays of x, y, z, intensity."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.stream.intensity import IntensityRange
from effocc_ros.stream.report import Remark
from effocc_ros.stream.returns import AT_SENSOR, OUT_OF_RANGE, find_returns

KINDS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
"""PointField datatype -> numpy type."""

INTENSITY_NAMES = ("intensity", "i", "intensities", "remission", "reflectivity", "reflectance")
"""Names of the intensity, the preferred one first."""


@dataclass(frozen=True)
class DecodedCloud:
    """A cloud as it can be used.

    Attributes:
        points: (N, 4) float32 x, y, z in metres in the sensor's frame and intensity (0 where it
            is absent or not finite); (N, 5) with the elongation, where that is asked for.
        not_finite: How many points were left out because a coordinate is not finite.
        no_return: How many because they lie at the sensor itself or out of its range.
        remarks: What contradicts the data, and how it was understood.
    """

    points: NDArray[np.float32]
    not_finite: int = 0
    no_return: int = 0
    remarks: tuple[Remark, ...] = ()


class CloudReader:
    """Reads the clouds of one LiDAR and learns the scale of its intensity.

    Args:
        source: The LiDAR's name, for errors.
        intensity_scale: Factor that brings the intensity to 0..255; 1 may be learned from it.
    """

    def __init__(self, source: str, intensity_scale: float = 1.0):
        self._source = source
        self._intensity = IntensityRange(source, intensity_scale)

    def read(self, message: Any, learn: bool = True, elongation: bool = False) -> DecodedCloud:
        """Read a PointCloud2 of any layout.

        Args:
            message: sensor_msgs PointCloud2.
            learn: Whether to learn the scale of its intensity.
            elongation: Whether to read the elongation as well; 0 where the cloud has none.

        Raises:
            InputError: x, y or z is missing, the data are too few, or no point is left.
        """
        source = self._source
        fields = _by_name(message.fields)
        step, remarks = _point_step(message, fields, source)
        data, count, overruled = _dense(message, step, source)
        order, said = _byte_order(message, fields, data, count, step, source)
        names = [name for name in INTENSITY_NAMES if name in fields]
        stretched = elongation and "elongation" in fields
        if elongation and not stretched:
            remarks.append(_no_elongation(fields, source))
        columns = {
            name: _column(data, fields[name], count, step, order)
            for name in ("x", "y", "z", *names, *(("elongation",) if stretched else ()))
        }
        remarks += [*overruled, *said]
        points = np.zeros((count, 4 + elongation), np.float32)
        with np.errstate(over="ignore"):  # float64 may hold what float32 cannot
            for place, name in enumerate("xyz"):
                points[:, place] = columns[name]
            if stretched:
                points[:, 4] = np.nan_to_num(columns["elongation"], posinf=0.0, neginf=0.0)
        found = find_returns(points, source)
        intensity = [columns[name] for name in names]
        if found.kept is not None:
            points = points.take(found.kept, axis=0)
            intensity = [each.take(found.kept) for each in intensity]
        if not names:
            remarks.append(_no_intensity(fields, source))
        points[:, 3], learned = self._intensity.scaled(intensity, learn)
        remarks += [*found.remarks, *learned]
        return DecodedCloud(points, found.not_finite, found.no_return, tuple(remarks))


def _by_name(fields: Iterable[Any]) -> dict[str, Any]:
    """Return fields by their names in small letters; of several the first that is written so."""
    found: dict[str, Any] = {}
    for field in fields:
        name = field.name.lower()
        if name not in found or (field.name == name != found[name].name):
            found[name] = field
    return found


def _no_intensity(fields: dict, source: str) -> Remark:
    text = (
        f"cloud of {source}: found fields {', '.join(fields)}; expected an intensity, which the "
        "networks were trained with. It is taken as 0: scores will be lower."
    )
    return Remark("no_intensity", text)


def _no_elongation(fields: dict, source: str) -> Remark:
    text = (
        f"cloud of {source}: found fields {', '.join(fields)}; expected an elongation, which the "
        "network was trained with. It is taken as 0: scores will be lower."
    )
    return Remark("no_elongation", text)


def _point_step(message: Any, fields: dict, source: str) -> tuple[int, list[Remark]]:
    """Return bytes per point, by the data where point_step has no room for the fields."""
    missing = [name for name in "xyz" if name not in fields]
    if missing:
        found = f"fields {', '.join(fields) or '(none)'}"
        raise _bad(source, found, "fields x, y and z", "cloud_without_xyz")
    strange = [name for name, field in fields.items() if field.datatype not in KINDS]
    ends = {
        name: field.offset + np.dtype(KINDS[field.datatype]).itemsize
        for name, field in fields.items()
        if name not in strange
    }
    step, count = int(message.point_step), int(message.width) * int(message.height)
    beyond = [name for name, end in ends.items() if end > step]
    if beyond and not strange and count and len(message.data) % count == 0:
        likely = len(message.data) // count
        if likely >= max(ends.values()):
            return likely, [_overruled(message, source, f"point_step {step}")]
    shared = _overlapping(fields, ends)
    if shared:
        found = f"fields {' and '.join(shared)} in the same bytes of a point"
        raise _bad(source, found, "x, y and z in bytes of their own", "bad_cloud")
    if strange or beyond:
        found = f"field {', '.join(strange + beyond)} of unknown type or beyond point_step"
        raise _bad(source, found, f"fields within {step} bytes", "bad_cloud")
    return step, []


def _overlapping(fields: dict, ends: dict[str, int]) -> list[str]:
    """Return two coordinates that lie in the same bytes; nothing where none do."""
    known = sorted((name for name in "xyz" if name in ends), key=lambda name: fields[name].offset)
    pairs = (pair for pair in pairwise(known) if fields[pair[1]].offset < ends[pair[0]])
    return [*next(pairs, ())]


def _dense(message: Any, step: int, source: str) -> tuple[NDArray[np.uint8], int, list[Remark]]:
    """Return the points' bytes without gaps, their number, and what was overruled.

    ``row_step`` follows from width and point_step, and drivers fill it with all else; where the
    data are exactly those of width and height, they are believed.
    """
    data = np.frombuffer(message.data, np.uint8)
    row, count = int(message.row_step), int(message.width) * int(message.height)
    width = message.width * step
    if count and len(data) == count * step:
        if row in (0, width) or message.height == 1:
            return data, count, []
        return data, count, [_overruled(message, source, f"row_step {row}")]
    if not count and len(data) >= step and len(data) % step == 0:
        said = f"width {message.width} and height {message.height}"
        return data, len(data) // step, [_overruled(message, source, said)]
    if not count:
        raise _bad(source, "an empty cloud", "at least one point", "empty_cloud")
    stride = row if row > width else width
    # The gap after the last row may be missing.
    if len(data) >= (message.height - 1) * stride + width:
        rows = np.lib.stride_tricks.as_strided(data, (message.height, width), (stride, 1))
        more = len(data) - message.height * stride
        return rows.reshape(-1), count, [_more_data(message, source)] if more >= step else []
    if len(data) > count * step:
        return data, count, [_overruled(message, source, f"row_step {row}")]
    size = f"{message.width}x{message.height} points of {step} bytes, row_step {row}"
    found = f"{len(data)} bytes for {size}"
    raise _bad(source, found, f"{max(message.height * stride, count * step)} bytes", "short_cloud")


def _byte_order(
    message: Any, fields: dict, data: NDArray, count: int, step: int, source: str
) -> tuple[str, list[Remark]]:
    """Return ``<`` or ``>``: big-endian is a flag that drivers set by mistake, and PCL ignores."""
    if not message.is_bigendian:
        return "<", []
    likely = {}
    sample = min(count, 1000)
    for order in "><":
        columns = [_column(data, fields[name], sample, step, order) for name in "xyz"]
        with np.errstate(all="ignore"):  # bytes in the wrong order are any number
            furthest = np.max([np.abs(each.astype(np.float64)) for each in columns], axis=0)
        likely[order] = np.count_nonzero((furthest > AT_SENSOR) & (furthest < OUT_OF_RANGE))
    if likely[">"] >= likely["<"]:
        return ">", []
    return "<", [_overruled(message, source, "is_bigendian")]


def _overruled(message: Any, source: str, said: str) -> Remark:
    text = (
        f"cloud of {source}: found {said} beside {len(message.data)} bytes for "
        f"{message.width}x{message.height} points of {message.point_step} bytes; expected them to "
        "agree. The points are all there, and are used."
    )
    return Remark("contradicting_cloud", text)


def _more_data(message: Any, source: str) -> Remark:
    text = (
        f"cloud of {source}: found {len(message.data)} bytes, more than {message.width}x"
        f"{message.height} points of {message.point_step} bytes; expected as many. The points "
        "that width and height count are used, what follows is left out."
    )
    return Remark("contradicting_cloud", text)


def _column(data: NDArray, field: Any, count: int, step: int, order: str) -> NDArray:
    """View one field of all points without a copy."""
    kind = np.dtype(order + KINDS[field.datatype])
    return np.ndarray((count,), kind, data, offset=field.offset, strides=(step,))


def _bad(source: str, found: str, expected: str, reason: str) -> InputError:
    do = "Look at the driver or the bag; this cloud is left out"
    return InputError(f"cloud of {source}", found=found, expected=expected, do=do, reason=reason)
