# SPDX-License-Identifier: Apache-2.0
"""Unpack zstd and LZ4 with a limit: a small file must not ask for all the memory."""

import os
import sys
from pathlib import Path
from typing import BinaryIO

import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

FREE = 64 * 1024 * 1024
"""Bytes that anything may unpack to."""

RATIO = 100
"""How many times larger what was packed may be beyond that: sensors' data shrink 10 times."""

BLOCK = 4 * 1024 * 1024
"""Bytes of a file that are unpacked at a time."""


class UnpackError(ValueError):
    """Packed bytes that are damaged, or that unpack to more than they may."""


def limit_of(packed: int) -> int:
    """Return how many bytes a packed size may unpack to."""
    return FREE + RATIO * packed


def unpack_chunk(data: bytes, compression: str, size: int) -> bytes:
    """Unpack a chunk of an MCAP file.

    Args:
        data: Its packed bytes.
        compression: ``zstd``, ``lz4`` or nothing.
        size: How many bytes the chunk says they unpack to.

    Raises:
        UnpackError: They unpack to another size, or the size is out of all proportion.
    """
    if not compression:
        unpacked = data
    elif size > limit_of(len(data)):
        raise UnpackError(f"a chunk of {len(data)} bytes that claims to hold {size}")
    elif compression == "zstd":
        unpacked = _zstd(data, size)
    elif compression == "lz4":
        unpacked = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=size + 1)
    else:
        raise UnpackError(f"chunks packed as '{compression}', which is neither zstd nor lz4")
    if len(unpacked) != size:
        raise UnpackError(f"a chunk of {len(unpacked)} bytes that claims to hold {size}")
    return unpacked


def unpack_message(data: bytes) -> bytes:
    """Unpack one zstd frame.

    Raises:
        UnpackError: It is cut off or damaged, or unpacks to more than it may.
    """
    limit = limit_of(len(data))
    unpacked = _zstd(data, limit)
    if len(unpacked) > limit:
        raise UnpackError(f"a message of {len(data)} bytes that unpacks to more than {limit}")
    return unpacked


def unpack_file(source: Path, sink: BinaryIO) -> None:
    """Unpack a zstd file into an open one.

    Raises:
        UnpackError: It is cut off or damaged, or unpacks to more than it may.
        OSError: There is no room for it.
    """
    limit, written = limit_of(os.path.getsize(source)), 0
    try:
        with zstd.open(source, "rb") as packed:
            while block := packed.read(BLOCK):
                written += len(block)
                if written > limit:
                    raise UnpackError(f"a file that unpacks to more than {limit} bytes")
                sink.write(block)
    except (zstd.ZstdError, EOFError) as error:
        raise UnpackError(str(error)) from error


def _zstd(data: bytes, most: int) -> bytes:
    decompressor = zstd.ZstdDecompressor()
    try:
        unpacked = decompressor.decompress(data, max_length=most + 1)
    except zstd.ZstdError as error:
        raise UnpackError(str(error)) from error
    if len(unpacked) <= most and not decompressor.eof:
        raise UnpackError("packed bytes without their end")
    return unpacked
