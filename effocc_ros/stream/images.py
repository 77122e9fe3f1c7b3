# SPDX-License-Identifier: Apache-2.0
"""Image messages to RGB arrays.

Messages are taken by the names of their fields, so those of rclpy and of rosbags both do.
"""

from collections.abc import Callable, Iterable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.file_kinds import foreign_kind
from effocc_ros.image_bytes import (
    KINDS,
    ImageHeader,
    decode_bytes,
    eight_bits,
    is_cut,
    read_header,
    used_bits,
)
from effocc_ros.stream.encodings import ENCODINGS, encoding_of, layout, to_rgb, unpack
from effocc_ros.stream.report import Remark

Fallback = Callable[[Any], NDArray[np.uint8]]
"""Turns an Image message of any other encoding into (H, W, 3) uint8 RGB, as cv_bridge can."""

VIDEO = ("h264", "h.264", "h265", "h.265", "hevc", "av1", "vp8", "vp9", "mpeg4")
"""What a CompressedImage's format says where its data are a part of a video."""


def is_compressed(message: Any) -> bool:
    """Return whether a message is a CompressedImage rather than an Image."""
    return hasattr(message, "format")


def image_size(message: Any) -> tuple[int, int] | None:
    """Return (width, height) as the message says it, None where a compressed one does not."""
    if not is_compressed(message):
        return int(message.width), int(message.height)
    header = read_header(memoryview(message.data))
    return None if header is None else header.size


def check_image(message: Any, source: str, fallback: Fallback | None = None) -> tuple[Remark, ...]:
    """Look at an image's description, without decoding it.

    Returns:
        What contradicts the data, and is overruled by them.

    Raises:
        InputError: The data are too few for the size, the end of a JPEG or PNG is lost, the size
            is absurd, or the encoding is unknown.
    """
    if is_compressed(message):
        _header(message, source)
        if is_cut(memoryview(message.data)):
            found = f"{len(message.data)} bytes of '{message.format}' without an end"
            raise _bad(source, found, "a whole JPEG or PNG", "corrupt_image")
        return ()
    encoding = encoding_of(message.encoding)
    if encoding is None:
        if fallback is None:
            raise _unknown(source, f"encoding '{message.encoding}'", ENCODINGS)
        return ()
    known = layout(message, encoding)
    row = message.width * encoding.pixel_bytes
    size = f"{message.width}x{message.height}, step {message.step}, '{message.encoding}'"
    if known is None:
        needed = encoding.byte_rows(message.height) * max(message.step, row)
        raise _bad(
            source,
            f"{len(message.data)} bytes for {size}",
            f"step of at least {max(row, 1)} and {needed} bytes",
            "short_image",
        )
    if known == (message.height, message.step):
        return ()
    text = (
        f"image of {source}: found {size} beside {len(message.data)} bytes; expected them to "
        f"agree. The data are those of {message.width}x{known[0]} pixels without a gap, and are "
        "used so."
    )
    return (Remark("contradicting_step", text),)


class ImageDecoder:
    """Decodes images; remembers how many bits the cameras with deep pixels use.

    Args:
        fallback: Asked for encodings that are not known here.
    """

    def __init__(self, fallback: Fallback | None = None):
        self._fallback = fallback
        self._bits: dict[str, int] = {}

    def decode(self, message: Any, source: str) -> NDArray[np.uint8]:
        """Decode an Image or a CompressedImage that was checked.

        Args:
            message: sensor_msgs Image or CompressedImage.
            source: The camera's name, for errors.

        Returns:
            (H, W, 3) uint8 RGB; a view of the message's data where the encoding allows.

        Raises:
            InputError: The picture cannot be decoded.
        """
        if is_compressed(message):
            return self._decompress(message, source)
        encoding = encoding_of(message.encoding)
        if encoding is None:
            return _by_fallback(message, source, self._fallback)
        samples = unpack(message, encoding, *layout(message, encoding))
        try:
            pixels = to_rgb(samples, encoding)
        except cv2.error as error:  # 4:2:2 of odd width, for example
            found = f"{message.width}x{message.height} '{message.encoding}' ({error.err})"
            expected = "a size that the encoding can have"
            raise _bad(source, found, expected, "corrupt_image") from error
        return self._shallow(pixels, source)

    def _decompress(self, message: Any, source: str) -> NDArray[np.uint8]:
        """Decode a CompressedImage as compressed_image_transport means its format.

        It is ``<encoding>; <codec> compressed <order of colours>``, or the codec alone.
        """
        data = np.frombuffer(message.data, np.uint8)
        pixels = decode_bytes(data, _header(message, source))
        if pixels is None:
            found = f"{len(data)} bytes of '{message.format}' that cannot be decoded"
            raise _bad(source, found, f"{KINDS} that is whole", "corrupt_image")
        before, _, after = message.format.lower().partition(";")
        encoding = encoding_of(before) if after else None
        if pixels.ndim == 3:
            # Publishers of old gave RGB to an encoder that takes it for BGR, and said so.
            swapped = encoding is not None and "compressed rgb" in after
            return self._shallow(pixels[..., ::-1] if swapped else pixels, source)
        if encoding is not None and encoding.deep and pixels.dtype == np.uint8:
            pixels = pixels.astype(np.uint16) << 8  # a JPEG holds the upper half of 16 bits
        if encoding is None or encoding.samples > 1 or encoding.planes != "packed":
            encoding = ENCODINGS["mono8"]
        return self._shallow(to_rgb(pixels, encoding), source)

    def _shallow(self, pixels: NDArray, source: str) -> NDArray[np.uint8]:
        if pixels.dtype == np.uint8:
            return pixels
        pixels = np.ascontiguousarray(pixels, np.uint16)  # in the machine's order of bytes
        # The most that was ever seen, so that a dark image stays dark.
        self._bits[source] = max(self._bits.get(source, 8), used_bits(pixels))
        return eight_bits(pixels, self._bits[source])


def _header(message: Any, source: str) -> ImageHeader:
    """Read a CompressedImage's header.

    Raises:
        InputError: It is none of a picture that a camera takes.
    """
    form, count = message.format.lower(), len(message.data)
    if "compresseddepth" in form:
        raise _bad(source, f"'{message.format}'", "a camera's picture, not depth", "depth_image")
    if any(kind in form for kind in VIDEO):
        expected = f"{KINDS} in every message; no part of a video can be decoded by itself"
        raise _bad(source, f"'{message.format}'", expected, "video_stream")
    before = form.partition(";")[0]
    if "bayer" in before and encoding_of(before) is None:
        mosaics = [name for name in ENCODINGS if "bayer" in name]
        raise _unknown(source, f"'{message.format}', a mosaic", mosaics)
    header = read_header(memoryview(message.data))
    if header is None:
        kind = foreign_kind(bytes(message.data[:64]))
        found = f"{count} bytes of '{message.format}' without an end or a header"
        found = f"{kind[0]} under '{message.format}'" if kind else found
        raise _bad(source, found, f"{KINDS} that is whole", "corrupt_image")
    if header.is_absurd(count):
        found = f"{count} bytes that claim {header.size[0]}x{header.size[1]} pixels"
        raise _bad(source, found, "an image of a camera", "absurd_size")
    return header


def _by_fallback(message: Any, source: str, fallback: Fallback) -> NDArray[np.uint8]:
    try:
        return fallback(message)
    except Exception as error:  # foreign code raises what it likes
        found = f"encoding '{message.encoding}' ({error})"
        known = "one that cv_bridge turns into rgb8"
        raise _bad(source, found, known, "unknown_encoding") from error


def _unknown(source: str, found: str, known: Iterable[str]) -> InputError:
    return InputError(
        f"image of {source}",
        found=found,
        expected=f"one of {', '.join(sorted(known))}",
        do="Convert it upstream, with image_proc for example",
        reason="unknown_encoding",
    )


def _bad(source: str, found: str, expected: str, reason: str) -> InputError:
    do = "Look at the driver or the bag; this image is left out"
    return InputError(f"image of {source}", found=found, expected=expected, do=do, reason=reason)
