# SPDX-License-Identifier: Apache-2.0
"""Compressed images: what their bytes tell before they are decoded, and their pixels."""

import struct
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

JPEG, PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
"""First bytes of the two kinds that cameras send."""

JPEG_SCAN, JPEG_END = b"\xff\xda", b"\xff\xd9"
"""What begins the pixels of a JPEG, and what ends it."""

TAIL = 64
"""Bytes at the end of a JPEG in which its end is looked for first: a picture is long."""

KINDS = "a JPEG, PNG, TIFF, WebP or BMP"
"""Kinds whose size can be told from the header; no other is decoded."""

MOST_PIXELS = 100_000_000
"""More than any camera of a vehicle has; decoding takes three bytes of memory for each."""
FEW_PIXELS = 16_000_000
PIXELS_PER_BYTE = 1_000
"""Above FEW_PIXELS no camera's image is compressed better than this."""

_FRAME_MARKERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Second bytes of the JPEG markers that a frame header follows (ITU-T T.81, table B.1)."""


@dataclass(frozen=True)
class ImageHeader:
    """What the header of a compressed image says.

    Attributes:
        size: (width, height) in pixels.
        depth: Bits per sample.
        channels: 1 for grey images and mosaics.
    """

    size: tuple[int, int]
    depth: int = 8
    channels: int = 3

    def is_absurd(self, count: int) -> bool:
        """Return whether the size cannot be that of an image of so many bytes, or of a camera."""
        pixels = self.size[0] * self.size[1]
        dense = pixels > FEW_PIXELS and pixels > PIXELS_PER_BYTE * count
        return not pixels or pixels > MOST_PIXELS or dense


def is_cut(data: bytes | memoryview) -> bool:
    """Return whether a picture's end is lost: OpenCV may fill the rest with grey.

    Cameras may pad what follows the end; a thumbnail in the header has an end of its own.

    Args:
        data: A JPEG or PNG. Of other kinds only emptiness is noticed.
    """
    start = bytes(data[: len(PNG)])
    if start.startswith(JPEG):
        last = bytes(data[-TAIL:])
        if JPEG_END not in last:
            last = bytes(data)
        end = last.rfind(JPEG_END)
        return end < 0 or JPEG_SCAN in last[end:]
    return not _has_all_chunks(data) if start.startswith(PNG[:2]) else not data


def _has_all_chunks(data: bytes | memoryview) -> bool:
    """Return whether a PNG's chunks reach to IEND: OpenCV makes room for what a length claims."""
    place = len(PNG)
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"IEND":
            return True
        place += 12 + length
    return False


def kind_of(data: bytes) -> str:
    """Return what CompressedImage calls an image: ``jpeg``, ``png``; empty where it is none."""
    starts = {
        JPEG: "jpeg",
        PNG: "png",
        b"II*\x00": "tiff",
        b"MM\x00*": "tiff",
        b"BM": "bmp",
    }
    webp = data.startswith(b"RIFF") and data[8:12] == b"WEBP"
    return next((kind for start, kind in starts.items() if data.startswith(start)), "webp" * webp)


def read_header(data: bytes | memoryview) -> ImageHeader | None:
    """Read the header of a compressed image; None where it is broken or of another kind."""
    start = bytes(data[:32])
    try:
        if start.startswith(JPEG):
            return _jpeg_header(data)
        if start.startswith(PNG):
            width, height, depth, colours = struct.unpack_from(">IIBB", start, 16)
            return ImageHeader((width, height), depth, 1 if colours in (0, 4) else 3)
        if start.startswith(b"BM"):
            width, height = struct.unpack_from("<ii", start, 18)
            return ImageHeader((abs(width), abs(height)))
        if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
            return _webp_header(start)
        if start[:4] in (b"II*\x00", b"MM\x00*"):
            return _tiff_header(data, "<" if start.startswith(b"II") else ">")
    except (struct.error, IndexError):
        pass
    return None


def decode_bytes(data: NDArray[np.uint8], header: ImageHeader) -> NDArray | None:
    """Decode a compressed image of a known header.

    A camera's intrinsics belong to its pixels as they lie, however EXIF would turn them.

    Returns:
        (H, W, 3) R, G, B, or (H, W) where it is grey; uint8, or uint16 of deep images. None where
        it cannot be decoded.
    """
    flags = cv2.IMREAD_GRAYSCALE if header.channels == 1 else cv2.IMREAD_COLOR
    if header.depth > 8:
        flags |= cv2.IMREAD_ANYDEPTH
    try:
        picture = cv2.imdecode(data, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    if picture is None or picture.ndim == 2:
        return picture
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB, dst=picture)


def used_bits(pixels: NDArray[np.uint16]) -> int:
    """Return how many bits of 16 a sensor uses, by its brightest pixel: 8, 10, 12, 14 or 16."""
    needed = int(pixels.max(initial=0)).bit_length()
    return max(8, needed + needed % 2)


def eight_bits(pixels: NDArray[np.uint16], bits: int) -> NDArray[np.uint8]:
    """Scale pixels of so many bits to 0..255."""
    return cv2.convertScaleAbs(pixels, alpha=255.0 / (2**bits - 1))


def _jpeg_header(data: bytes | memoryview) -> ImageHeader | None:
    place = 2
    while True:
        marker, second = data[place], data[place + 1]
        if marker != 0xFF:
            return None
        if second == 0xFF:  # padding before a marker
            place += 1
        elif second in _FRAME_MARKERS:
            depth, height, width, channels = struct.unpack_from(">BHHB", data, place + 4)
            return ImageHeader((width, height), depth, channels)
        elif second == 0x01 or 0xD0 <= second <= 0xD8:  # markers that stand alone
            place += 2
        elif second in (0xD9, 0xDA):  # the pixels, and no frame header before them
            return None
        else:
            place += 2 + struct.unpack_from(">H", data, place + 2)[0]


def _tiff_header(data: bytes | memoryview, order: str) -> ImageHeader | None:
    """Read the first directory of a TIFF (TIFF 6.0, section 2)."""
    (place,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, place)
    values = {}
    for entry in range(place + 2, place + 2 + 12 * min(count, 100), 12):
        tag, kind, number = struct.unpack_from(f"{order}HHI", data, entry)
        code = {3: "H", 4: "I"}.get(kind)
        if code and tag in (256, 257, 258, 277):
            at = entry + 8
            if number * struct.calcsize(code) > 4:
                (at,) = struct.unpack_from(f"{order}I", data, at)
            (values[tag],) = struct.unpack_from(f"{order}{code}", data, at)
    if 256 not in values or 257 not in values:
        return None
    channels = 1 if values.get(277, 1) < 3 else 3
    return ImageHeader((values[256], values[257]), values.get(258, 8), channels)


def _webp_header(start: bytes) -> ImageHeader | None:
    kind = start[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(start[at : at + 3], "little") + 1 for at in (24, 27))
    elif kind == b"VP8L":
        packed = int.from_bytes(start[21:25], "little")
        width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (each & 0x3FFF for each in struct.unpack_from("<HH", start, 26))
    else:
        return None
    return ImageHeader((width, height))
