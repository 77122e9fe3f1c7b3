# SPDX-License-Identifier: Apache-2.0
"""One row of a nuScenes table: every field is looked at before it is used."""

import math
import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from effocc_ros.errors import InputError

MICROSECONDS = 1000
"""Nanoseconds in the unit of nuScenes timestamps."""
LATEST = 2**31 * 1_000_000
"""Microseconds since 1970 that a stamp of ROS can hold, until 2038; nanoseconds are far more."""
LONGEST_TEXT = 1000
FURTHEST = 1e8
"""Metres from the origin of a map: more than around the earth."""
NORM_ERROR = 1e-2
"""By how much the length of a quaternion may miss 1, for rounded numbers."""
MOST_PIXELS = 65_535
"""Along a side of an image: what a JPEG can have."""

Pose = tuple[float, float, float, float, float, float, float]
"""Quaternion (w, x, y, z) and translation (x, y, z) in metres."""


@dataclass(frozen=True)
class Row:
    """A row as JSON gives it.

    Attributes:
        table: The file that it is of.
        number: Its place there, from 0.
        values: Its fields.
    """

    table: Path
    number: int
    values: dict[str, Any]

    def text(self, name: str) -> str:
        """Return a field that is a text."""
        value = self.values.get(name)
        if not isinstance(value, str) or len(value) > LONGEST_TEXT or not value.isprintable():
            raise self.bad(name, f"a text of up to {LONGEST_TEXT} printable characters")
        return value

    def name(self, name: str) -> str:
        """Return a text that folders are named after; it leads out of none."""
        value = self.text(name)
        if value in ("", ".", "..") or "/" in value or "\\" in value:
            raise self.bad(name, "a name that can be that of a folder")
        return value

    def file(self, name: str) -> str:
        """Return a path below the data set's folder, with slashes: Windows writes backslashes."""
        path = self.text(name).replace("\\", "/")
        parts = path.split("/")
        known = [number for number, part in enumerate(parts) if part in ("samples", "sweeps")]
        if known and parts[0] and not parts[0].endswith(":"):
            # Some write it from the folder that they started in, such as ./data/nuscenes.
            parts = parts[known[0] :]
            path = "/".join(parts)
        if not parts[0] or parts[0].endswith(":") or not parts[-1] or ".." in parts:
            raise self.bad(
                name,
                "a path below the data set's folder, such as samples/CAM_FRONT/a.jpg",
                do="Write it relative to the folder that samples/ is in",
            )
        return path

    def flag(self, name: str) -> bool:
        """Return a field that is true or false; 1 and 0 are taken for them."""
        value = self.values.get(name)
        if not isinstance(value, bool | int) or value not in (0, 1):
            raise self.bad(name, "true or false")
        return bool(value)

    def pixels(self, name: str) -> int:
        """Return the height or width of an image; 0 where it is absent."""
        value = self.values.get(name) or 0
        if not _is_whole(value) or not 0 <= value <= MOST_PIXELS:
            raise self.bad(name, f"a whole number of pixels, 0 to {MOST_PIXELS}")
        return int(value)

    def stamp(self, name: str = "timestamp") -> int:
        """Return a moment in nanoseconds since 1970."""
        value = self.values.get(name)
        if _is_whole(value) and 0 <= value < LATEST:
            return int(value) * MICROSECONDS
        do = ""
        if _is_whole(value) and 0 <= value < LATEST * MICROSECONDS:
            do = "It looks like nanoseconds: divide the timestamps of all tables by 1000"
        elif isinstance(value, float) and 0 <= value < LATEST / 1e6:
            do = "It looks like seconds: multiply the timestamps of all tables by 1000000"
        raise self.bad(name, "whole microseconds since 1970, before 2038", do=do)

    def pose(self) -> Pose:
        """Return ``rotation`` and ``translation``."""
        rotation = self.numbers("rotation", 4)
        if abs(sum(number * number for number in rotation) ** 0.5 - 1) > NORM_ERROR:
            raise self.bad("rotation", "a unit quaternion (w, x, y, z)", do=_NO_POSE)
        translation = self.numbers("translation", 3)
        if max(map(abs, translation)) > FURTHEST:
            raise self.bad("translation", f"metres, at most {FURTHEST:g}", do=_NO_POSE)
        return *rotation, *translation

    def intrinsics(self) -> tuple[float, ...] | None:
        """Return the nine numbers of ``camera_intrinsic``, row by row; None where it is empty."""
        rows = self.values.get("camera_intrinsic")
        if not rows:
            return None
        if (
            not isinstance(rows, list)
            or len(rows) != 3
            or not all(_is_numbers(r, 3) for r in rows)
        ):
            raise self.bad("camera_intrinsic", "3 rows of 3 finite numbers, or none for a LiDAR")
        return tuple(float(number) for row in rows for number in row)

    def numbers(self, name: str, count: int) -> tuple[float, ...]:
        """Return a list of so many finite numbers."""
        value = self.values.get(name)
        if not _is_numbers(value, count):
            raise self.bad(name, f"{count} finite numbers", do=_NO_POSE)
        return tuple(map(float, value))

    def bad(self, name: str, expected: str, *, found: str = "", do: str = "") -> InputError:
        """Return the error that says what is wrong with a field."""
        token = self.values.get("token")
        row = f"row {self.number}" + (f" (token {token})" if isinstance(token, str) else "")
        seen = reprlib.repr(self.values[name]) if name in self.values else "no such field"
        return InputError(
            f"nuScenes table {self.table}, {row}, field {name}",
            found=found or seen,
            expected=expected,
            do=do,
            reason="bad_table",
        )


_NUMBERS = {int, float}
_NO_POSE = "Leave out of the tables what has no known pose"


def _is_whole(value: Any) -> bool:
    """Return whether a value is a whole number; some writers make 5.0 of 5."""
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def _is_numbers(value: Any, count: int) -> bool:
    if (
        not isinstance(value, list)
        or len(value) != count
        or not _NUMBERS.issuperset(map(type, value))
    ):
        return False
    try:
        return all(map(math.isfinite, value))
    except OverflowError:  # a whole number that is no float
        return False
