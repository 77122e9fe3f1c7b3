# SPDX-License-Identifier: Apache-2.0
"""One field of a ROS message changed at random; the message stays one that ROS can send."""

import copy
import math
import random
import re
import struct
from array import array
from typing import Any

NUMBERS = (0.0, -0.0, 1.0, -1.0, 1e-300, 1e308, -1e308, math.nan, math.inf, -math.inf)
INTEGERS = {
    **{f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
    **{f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    "octet": (0, 255),
}
TEXTS = ("", "/", "a b", "map", "base_link", "LIDAR_TOP", "..", "\u00e4\u4e2d", "x" * 1000, "%s{}")
FLOATS = ("float", "double")


def corrupted(message: Any, draw: random.Random) -> Any:
    """Return a copy of a message with one field, at whatever depth, of another value.

    Args:
        message: A message of rclpy.
        draw: Decides which field, and what it becomes.
    """
    message = copy.deepcopy(message)
    _change(message, draw)
    return message


def _change(message: Any, draw: random.Random) -> None:
    fields = message.get_fields_and_field_types()
    name = draw.choice(sorted(fields))
    kind, value = fields[name], getattr(message, name)
    sequence = re.fullmatch(r"sequence<(.*?)(, \d+)?>", kind)
    fixed = re.fullmatch(r"(.*)\[\d+\]", kind)
    if sequence:
        setattr(message, name, _items(value, sequence[1], draw))
    elif fixed:
        if len(value):
            value[draw.randrange(len(value))] = _scalar(fixed[1], draw)
    elif hasattr(value, "get_fields_and_field_types"):
        _change(value, draw)
    else:
        setattr(message, name, _scalar(kind, draw))


def _scalar(kind: str, draw: random.Random) -> Any:
    if kind in INTEGERS:
        lower, upper = INTEGERS[kind]
        return draw.choice((lower, upper, 0, draw.randint(lower, upper), draw.randint(0, 100)))
    if kind == "boolean":
        return draw.random() < 0.5
    if kind == "string":
        return draw.choice(TEXTS)
    value = draw.choice((*NUMBERS, draw.uniform(-1e3, 1e3)))
    if kind == "float" and math.isfinite(value):
        value = struct.unpack("f", struct.pack("f", max(min(value, 3e38), -3e38)))[0]
    return value


def _items(values: Any, kind: str, draw: random.Random) -> Any:
    """Cut a sequence, repeat a part of it, or change some of its items."""
    how, count = draw.choice(("cut", "repeat", "change")), len(values)
    if not count:
        return values
    start = draw.randrange(count)
    if how == "cut":
        return values[:start]
    if how == "repeat":
        return values + values[start : start + 1000]
    if kind in INTEGERS or kind in FLOATS:
        changed = array(values.typecode, values)
        for _ in range(draw.choice((1, 3, 100))):
            changed[draw.randrange(count)] = _scalar(kind, draw)
        return changed
    if hasattr(values[start], "get_fields_and_field_types"):
        _change(values[start], draw)
    else:
        values[start] = _scalar(kind, draw)
    return values
