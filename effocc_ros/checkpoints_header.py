# SPDX-License-Identifier: Apache-2.0
"""The beginning of a safetensors file: what it holds, before any of it is read."""

import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from effocc_ros.plain_files import open_file, parse_json

MOST_BYTES = 16 << 20
"""Of a header; 700 tensors take 80 kB."""

_SIZES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "I16": 2, "U16": 2, "F16": 2,
    "BF16": 2, "I32": 4, "U32": 4, "F32": 4, "F64": 8, "I64": 8, "U64": 8,
}  # fmt: skip
"""Bytes of a number of each type."""


@dataclass(frozen=True)
class Header:
    """What a safetensors file says of itself.

    Attributes:
        metadata: Texts by name; a model card among them.
        shapes: Tensor name -> its shape.
        bytes: Size of all tensors together.
    """

    metadata: dict[str, str]
    shapes: dict[str, tuple[int, ...]]
    bytes: int


def read_header(path: Path) -> Header:
    """Read what a safetensors file holds, and check it against the file's size.

    Raises:
        OSError: It is absent or cannot be read.
        ValueError: It is no whole safetensors file.
    """
    with open_file(path) as file:
        whole = os.fstat(file.fileno()).st_size
        start = file.read(8)
        (length,) = struct.unpack("<Q", start) if len(start) == 8 else (whole,)
        if length > whole - 8:
            raise ValueError(f"{whole} bytes, which end within its header")
        if length > MOST_BYTES:
            raise ValueError(f"a header of {length} bytes")
        content = parse_json(file.read(length))
    if not isinstance(content, dict):
        raise ValueError("a header that is no JSON object")
    metadata = content.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("metadata other than texts by name")
    shapes = {name: _shape(name, entry) for name, entry in content.items()}
    end = max((entry["data_offsets"][1] for entry in content.values()), default=0)
    if end > whole - 8 - length:
        raise ValueError(f"{whole} bytes, which end within its tensors")
    return Header(metadata, shapes, end)


def _shape(name: str, entry: Any) -> tuple[int, ...]:
    try:
        shape, (start, end) = entry["shape"], entry["data_offsets"]
        size = _SIZES[entry["dtype"]]
        whole = all(type(number) is int and number >= 0 for number in (*shape, start, end))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no type, shape and place of {name} ({error})") from error
    if not whole or end - start != math.prod(shape) * size:
        raise ValueError(f"{name} of shape {shape} in {start} to {end}")
    return tuple(shape)
