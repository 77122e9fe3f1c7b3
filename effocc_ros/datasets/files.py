# SPDX-License-Identifier: Apache-2.0
"""Images, points and arrays from files that may be cut off or of another kind."""

import logging
import os
import stat
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.datasets.point_columns import are_coordinates, point_layout
from effocc_ros.errors import InputError
from effocc_ros.file_kinds import foreign_kind
from effocc_ros.image_bytes import (
    decode_bytes,
    eight_bits,
    is_cut,
    kind_of,
    read_header,
    used_bits,
)
from effocc_ros.plain_files import open_file

MOST_BYTES = 1 << 30
"""More than any file of one sample has, packed or unpacked."""

UNREADABLE = (
    *("missing_file", "bad_file", "missing_sensor", "absurd_size"),
    *("nan_cloud", "no_returns", "bad_unit"),
)
"""Reasons for which a file, or a sample that needs it, is left out, and the others are used."""

logger = logging.getLogger(__name__)

Shape = tuple[int | None, ...]
"""Shape of an array; None is any length."""


def is_there(path: Path) -> bool:
    """Return whether a file is there, and not only its name, as an interrupted download leaves."""
    try:
        status = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size > 0


def read_bytes(path: Path, what: str = "the data of a sensor") -> bytes:
    """Read a file.

    Raises:
        InputError: It is absent, cannot be read, or is larger than any of this kind.
    """
    try:
        with open_file(path) as file:
            _check_bytes(path, os.fstat(file.fileno()).st_size)
            return file.read()
    except OSError as error:
        raise InputError(
            f"file {path}",
            found=error.strerror or str(error),
            expected=what,
            do="Unpack the archive that has it; `effocc dataset check` lists all that is missing",
            reason="missing_file",
        ) from error


def read_image(path: Path) -> NDArray[np.uint8]:
    """Decode a JPEG or PNG as (H, W, 3) uint8 RGB; EXIF orientation is not applied.

    Images of 16 bits are scaled by the bits that they use.

    Raises:
        InputError: It is absent, cut off, no image, or claims a size that no camera has.
    """
    data = read_bytes(path, "an image")
    header = None if is_cut(data) else read_header(data)
    if header is not None and header.is_absurd(len(data)):
        claim = f"{len(data)} bytes that claim {header.size[0]}x{header.size[1]} pixels"
        raise _bad(path, claim, "an image of a camera")
    picture = decode_bytes(np.frombuffer(data, np.uint8), header) if header is not None else None
    if picture is None:
        raise _other(path, data, " that are no whole JPEG or PNG", "an image")
    if picture.dtype == np.uint16:
        picture = eight_bits(picture, used_bits(picture))
    return picture if picture.ndim == 3 else cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)


def read_packed_image(path: Path, what: str = "an image") -> bytes:
    """Read the bytes of a compressed image without decoding them.

    Raises:
        InputError: It is absent, cut off, or no JPEG or PNG, or claims a size that no camera has.
    """
    data = read_bytes(path, what)
    if not kind_of(data) or is_cut(data):
        raise _other(path, data, " that are no whole JPEG or PNG", what)
    header = read_header(data)
    if header is not None and header.is_absurd(len(data)):
        claim = f"{len(data)} bytes that claim {header.size[0]}x{header.size[1]} pixels"
        raise _bad(path, claim, what)
    return data


def read_points(path: Path, columns: int, what: str = "LiDAR points") -> NDArray[np.float32]:
    """Read LiDAR points stored as rows of float32.

    What a point has beyond ``columns`` is left out, and what it lacks is 0; both are logged once
    for a folder. Points whose place is not finite are left out.

    Args:
        path: The file.
        columns: Numbers per point: 5 for nuScenes (x, y, z, intensity, ring).
        what: What the file should hold, for errors.

    Returns:
        (N, columns) float32, not writeable.

    Raises:
        InputError: It is absent, empty, ends within a point, or holds no coordinates in metres.
    """
    data = read_bytes(path, what)
    layout = point_layout(data, columns) if data else None
    expected = f"points of {4 * columns} bytes: {columns} numbers, float32"
    if layout is None or foreign_kind(data[:64], sure=True):
        raise _other(path, data, "", expected)
    kind, found = layout
    points = np.frombuffer(data, kind).reshape(-1, found)
    if not are_coordinates(points):
        raise _bad(path, f"{points.size} numbers that are no metres", expected)
    if layout != ("<f4", columns):
        _log_layout(path.parent, found, kind, columns)
        shared = min(found, columns)
        whole = np.zeros((len(points), columns), np.float32)
        with np.errstate(over="ignore"):
            whole[:, :shared] = points[:, :shared]
        points = whole
    if not np.isfinite(points).all():
        points = np.nan_to_num(points[np.isfinite(points[:, :3]).all(1)], posinf=0.0, neginf=0.0)
    points.flags.writeable = False
    return points


@lru_cache(maxsize=256)
def _log_layout(folder: Path, found: int, kind: str, expected: int) -> None:
    logger.warning(
        "points in %s: found %d numbers a point (%s); expected %d (float32). "
        "The first %d are used%s",
        folder,
        found,
        {"<f4": "float32", "<f8": "float64"}[kind],
        expected,
        min(found, expected),
        ", the others are 0" if found < expected else "",
    )


def read_npz(
    path: Path, shapes: Mapping[str, Shape], optional: Collection[str] = ()
) -> dict[str, NDArray]:
    """Read arrays of a .npz file.

    Args:
        path: The file.
        shapes: Name of each array -> its shape.
        optional: Names of those that may be absent, which is logged once for a kind of file.

    Raises:
        InputError: The file is absent or broken, or an array is absent or of another shape.
    """
    wanted = f"arrays {_said(shapes)}"
    try:
        with open_file(path) as file, np.load(file, allow_pickle=False) as archive:
            names = sorted(archive.files)
            for info in archive.zip.infolist():
                if info.filename.removesuffix(".npy") in shapes:
                    _check_bytes(path, info.file_size)
            found = {name: archive[name] for name in shapes if name in names}
            # What does not begin as an array comes as bytes.
            arrays = {k: array for k, array in found.items() if isinstance(array, np.ndarray)}
    except FileNotFoundError as error:
        raise _absent(path) from error
    except InputError:
        raise
    except Exception as error:  # numpy and zipfile raise whatever the bytes lead them to
        raise _bad(path, f"no readable .npz file ({error})", wanted) from error
    absent = [name for name in shapes if name not in found]
    if len(arrays) < len(found) or not {*absent} <= {*optional}:
        raise _bad(path, f"arrays {', '.join(names) or '(none)'}", wanted)
    if absent:
        _log_absent(path.parent.parent, path.name, ", ".join(absent))
    for name, array in arrays.items():
        _check_shape(path, name, array, shapes[name])
    return arrays


@lru_cache(maxsize=256)
def _log_absent(folder: Path, name: str, absent: str) -> None:
    logger.warning("%s in %s: no %s; every voxel counts as seen", name, folder, absent)


def read_npy(path: Path, shape: Shape) -> NDArray:
    """Read an .npy file.

    Raises:
        InputError: It is absent, broken, or of another shape.
    """
    try:
        with open_file(path) as file:
            _check_bytes(path, os.fstat(file.fileno()).st_size)
            array = np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError as error:
        raise _absent(path) from error
    except InputError:
        raise
    except Exception as error:  # numpy raises whatever the bytes lead it to
        raise _bad(path, f"no readable .npy file ({error})", f"shape {_dims(shape)}") from error
    _check_shape(path, "array", array, shape)
    return array


def labels_of(path: Path, array: NDArray, count: int) -> NDArray[np.uint8]:
    """Return labels as uint8, checked against the number of classes.

    Raises:
        InputError: They are no integers, or one is outside of 0..count-1.
    """
    if array.dtype.kind not in "iu":
        raise _bad(path, f"labels of type {array.dtype}", "integers")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= count:
        raise _bad(path, f"labels from {low} to {high}", f"labels from 0 to {count - 1}")
    return array.astype(np.uint8, copy=False)


def mask_of(path: Path, name: str, array: NDArray) -> NDArray[np.bool_]:
    """Return a mask stored as 0 and 1 (or as bool) as bool.

    Raises:
        InputError: It holds something else.
    """
    if array.dtype.kind not in "biu" or int(array.min()) < 0 or int(array.max()) > 1:
        found = f"{name} of type {array.dtype}, from {array.min()} to {array.max()}"
        raise _bad(path, found, "0 where nothing was seen, 1 elsewhere")
    return array.astype(bool)


def floats_of(path: Path, name: str, array: NDArray) -> NDArray[np.float32]:
    """Return numbers as float32.

    Raises:
        InputError: One is not finite.
    """
    if not np.isfinite(array).all():
        raise _bad(path, f"{name} with numbers that are not finite", "velocities in m/s")
    return array.astype(np.float32, copy=False)


def _check_bytes(path: Path, count: int) -> None:
    if count > MOST_BYTES:
        raise _bad(path, f"{count} bytes", f"at most {MOST_BYTES}")


def _check_shape(path: Path, name: str, array: NDArray, shape: Shape) -> None:
    fits = array.ndim == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, array.shape, strict=True)
    )
    if array.dtype.kind not in "biuf":
        raise _bad(path, f"{name} of type {array.dtype}", "numbers")
    if not fits or not array.size:
        raise _bad(path, f"{name} of shape {array.shape}", f"shape {_dims(shape)}")


def _said(shapes: Mapping[str, Shape]) -> str:
    return ", ".join(f"{name} {_dims(shape)}" for name, shape in shapes.items())


def _dims(shape: Shape) -> str:
    return f"({', '.join('N' if size is None else str(size) for size in shape)})"


def _absent(path: Path) -> InputError:
    return InputError(
        f"file {path}",
        found="no such file",
        expected="the labels of a sample",
        do="Unpack the archive that has it; `effocc dataset check` lists all that is missing",
        reason="missing_file",
    )


def _other(path: Path, data: bytes, what: str, expected: str) -> InputError:
    """Return the error of a file that is of another kind than its name says."""
    kind, do = foreign_kind(data[:64]) or ("", "")
    found = f"{kind} of {len(data)} bytes" if kind else f"{len(data)} bytes{what}"
    return _bad(path, found, expected, do)


def _bad(path: Path, found: str, expected: str, do: str = "") -> InputError:
    return InputError(
        f"file {path}",
        found=found,
        expected=expected,
        do=do or "Copy it again",
        reason="bad_file",
    )
