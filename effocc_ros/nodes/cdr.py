# SPDX-License-Identifier: Apache-2.0
"""Messages as CDR bytes: lists of thousands of points go from numpy to the wire in one copy."""

import struct
from functools import lru_cache
from typing import Any

import numpy as np

from effocc_ros.nodes.to_message import message_class

HEADER = b"\x00\x01\x00\x00"
"""Encapsulation: plain CDR, little endian, no options."""

FORMATS = {
    "boolean": "?",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float": "f",
    "double": "d",
}
"""Number types of ROS interfaces and their codes in ``struct``."""


def cdr_bytes(msgtype: str, fields: dict[str, Any]) -> bytes:
    """Serialise a message as rclpy does, but with arrays in place of lists of messages.

    The order and the types of the fields are those of the installed message, so this follows the
    ROS distribution. XCDR version 1: numbers are aligned to their size, counted after the header.

    Args:
        msgtype: Such as ``visualization_msgs/msg/MarkerArray``.
        fields: Its fields. A nested message is a message object or such a dictionary; a field
            that is not given has its default. A sequence of messages that hold nothing but
            float64 (geometry_msgs/Point) may be an array (N, fields) of float64.
    """
    out = bytearray()
    _write_message(out, message_class(msgtype), fields)
    return HEADER + bytes(out)


def _write(out: bytearray, kind: str, value: Any) -> None:
    if kind in FORMATS:
        code = FORMATS[kind]
        _align(out, struct.calcsize(code))
        out += struct.pack(f"<{code}", value)
    elif kind == "string":
        text = value.encode() + b"\0"
        _write(out, "uint32", len(text))
        out += text
    elif kind.startswith("sequence<"):
        _write(out, "uint32", len(value))
        _write_items(out, kind.removeprefix("sequence<").removesuffix(">"), value)
    elif kind.endswith("]"):
        _write_items(out, kind.split("[")[0], value)
    else:
        package, name = kind.split("/")
        _write_message(out, message_class(f"{package}/msg/{name}"), value)


def _write_items(out: bytearray, kind: str, values: Any) -> None:
    if isinstance(values, np.ndarray):
        if values.size:
            _align(out, values.itemsize)
            out += np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
        return
    for value in values:
        _write(out, kind, value)


def _write_message(out: bytearray, kind: type, value: Any) -> None:
    given = value if isinstance(value, dict) else {}
    source = _default(kind) if isinstance(value, dict) else value
    for name, field_kind in kind.get_fields_and_field_types().items():
        _write(out, field_kind, given[name] if name in given else getattr(source, name))


@lru_cache(maxsize=64)
def _default(kind: type) -> Any:
    return kind()


def _align(out: bytearray, size: int) -> None:
    out += bytes(-len(out) % size)
