"""Image messages to RGB arrays.

Messages are taken by the names of their fields, so those of rclpy and of rosbags both do.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.image_bytes import is_cut

DIRECT = {"rgb8": slice(0, 3), "rgba8": slice(0, 3), "bgr8": slice(2, None, -1)}
DIRECT |= {"8uc3": DIRECT["bgr8"], "bgra8": slice(2, None, -1), "8uc4": slice(2, None, -1)}
"""Encodings whose RGB is a view of the data: which channels, in which order."""

CHANNELS = {"rgb8": 3, "bgr8": 3, "8uc3": 3, "rgba8": 4, "bgra8": 4, "8uc4": 4}
CHANNELS |= {"mono8": 1, "8uc1": 1, "yuv422": 2, "uyvy": 2, "yuv422_yuy2": 2, "yuyv": 2}

CONVERTED = {
    "mono8": cv2.COLOR_GRAY2RGB,
    "8uc1": cv2.COLOR_GRAY2RGB,
    "yuv422": cv2.COLOR_YUV2RGB_UYVY,
    "uyvy": cv2.COLOR_YUV2RGB_UYVY,
    "yuv422_yuy2": cv2.COLOR_YUV2RGB_YUY2,
    "yuyv": cv2.COLOR_YUV2RGB_YUY2,
    # OpenCV names a Bayer pattern by its second row, ROS by its first.
    "bayer_rggb8": cv2.COLOR_BayerBG2RGB,
    "bayer_bggr8": cv2.COLOR_BayerRG2RGB,
    "bayer_gbrg8": cv2.COLOR_BayerGR2RGB,
    "bayer_grbg8": cv2.COLOR_BayerGB2RGB,
}

Fallback = Callable[[Any], NDArray[np.uint8]]
"""Turns an Image message of any other encoding into (H, W, 3) uint8 RGB, as cv_bridge can."""


def is_compressed(message: Any) -> bool:
    """Return whether a message is a CompressedImage rather than an Image."""
    return hasattr(message, "format")


def check_image(message: Any, source: str, fallback: Fallback | None = None) -> None:
    """Look at an image's description, without decoding it.

    Raises:
        InputError: The data are too few for the size, the end of a JPEG or PNG is lost, or the
            encoding is unknown.
    """
    if is_compressed(message):
        if is_cut(bytes(message.data)):
            found = f"{len(message.data)} bytes of '{message.format}' without an end"
            raise _bad(source, found, "a whole JPEG or PNG", "corrupt_image")
        return
    encoding = message.encoding.lower()
    known = encoding in DIRECT or encoding in CONVERTED
    if not known and fallback is None:
        names = ", ".join(sorted({*DIRECT, *CONVERTED}))
        raise InputError(
            f"image of {source}",
            found=f"encoding '{message.encoding}'",
            expected=f"one of {names}",
            do="Convert it upstream, or install cv_bridge, which knows more",
            reason="unknown_encoding",
        )
    needed = message.height * message.step
    row = message.width * CHANNELS.get(encoding, 1)
    if not message.height or not message.width or message.step < row or len(message.data) < needed:
        raise _bad(
            source,
            f"{len(message.data)} bytes for {message.width}x{message.height}, "
            f"step {message.step}, '{message.encoding}'",
            f"step of at least {max(row, 1)} and height * step = {needed} bytes",
            "short_image",
        )


def decode_image(message: Any, source: str, fallback: Fallback | None = None) -> NDArray[np.uint8]:
    """Decode an Image or a CompressedImage.

    Args:
        message: sensor_msgs Image or CompressedImage.
        source: The camera's name, for errors.
        fallback: Asked for encodings that are not known here.

    Returns:
        (H, W, 3) uint8 RGB; a view of the message's data where the encoding allows.

    Raises:
        InputError: The picture cannot be decoded.
    """
    check_image(message, source, fallback)
    data = np.frombuffer(message.data, np.uint8)
    if is_compressed(message):
        picture = _decompressed(data)
        if picture is None:
            found = f"{len(data)} bytes of '{message.format}' that cannot be decoded"
            raise _bad(source, found, "a whole JPEG or PNG", "corrupt_image")
        return picture
    encoding = message.encoding.lower()
    if encoding not in DIRECT and encoding not in CONVERTED:
        return _by_fallback(message, source, fallback)
    channels = CHANNELS.get(encoding, 1)
    rows = data[: message.height * message.step].reshape(message.height, message.step)
    pixels = rows[:, : message.width * channels]
    pixels = pixels.reshape(message.height, message.width, channels)
    if encoding in DIRECT:
        return pixels[..., DIRECT[encoding]]
    try:
        return cv2.cvtColor(np.ascontiguousarray(pixels), CONVERTED[encoding])
    except cv2.error as error:  # 4:2:2 of odd width, for example
        found = f"{message.width}x{message.height} '{message.encoding}' ({error.err})"
        raise _bad(source, found, "a size that the encoding can have", "corrupt_image") from error


def _by_fallback(message: Any, source: str, fallback: Fallback) -> NDArray[np.uint8]:
    try:
        return fallback(message)
    except Exception as error:  # foreign code raises what it likes
        found = f"encoding '{message.encoding}' ({error})"
        known = "one that cv_bridge turns into rgb8"
        raise _bad(source, found, known, "unknown_encoding") from error


def _decompressed(data: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    # A camera's intrinsics belong to its pixels as they lie, however EXIF would turn them.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        picture = cv2.imdecode(data, flags)
    except cv2.error:
        return None
    return None if picture is None else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB, dst=picture)


def _bad(source: str, found: str, expected: str, reason: str) -> InputError:
    do = "Look at the driver or the bag; this image is left out"
    return InputError(f"image of {source}", found=found, expected=expected, do=do, reason=reason)
