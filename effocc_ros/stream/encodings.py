# SPDX-License-Identifier: Apache-2.0
"""Encodings of raw images (sensor_msgs/image_encodings, and what drivers add): bytes to RGB."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Encoding:
    """How pixels lie in a message.

    Attributes:
        samples: Samples per pixel of a row.
        colours: Which samples are R, G, B, as a slice; or OpenCV's conversion; or the (3, 4)
            matrix that makes R, G, B of three samples and 1.
        deep: Whether a sample has 16 bits.
        planes: ``packed``; with colours at half resolution after the brightness, ``interleaved``
            (NV12 and its kin) or ``planar`` (I420); ``full``: all at full
            resolution (NV24).
    """

    samples: int
    colours: slice | int | tuple[tuple[float, ...], ...]
    deep: bool = False
    planes: str = "packed"

    @property
    def pixel_bytes(self) -> int:
        """Bytes per pixel of a row."""
        return self.samples * (2 if self.deep else 1)

    def byte_rows(self, height: int) -> int:
        """Return how many rows of bytes an image has."""
        return {"packed": height, "full": height * 3}.get(self.planes, height * 3 // 2)


RGB, BGR = slice(0, 3), slice(2, None, -1)
UYVY, YUY2, GREY = cv2.COLOR_YUV2RGB_UYVY, cv2.COLOR_YUV2RGB_YUY2, cv2.COLOR_GRAY2RGB
Y, CB, CR = 1.164, (0.0, -0.391, 2.018), (1.596, -0.813, 0.0)
YUV = tuple((Y, cb, cr, -16 * Y - 128 * (cb + cr)) for cb, cr in zip(CB, CR, strict=True))
YVU = tuple((y, cr, cb, rest) for y, cb, cr, rest in YUV)
"""Of ITU-R BT.601, 16..235, as OpenCV takes the other encodings; full resolution it lacks."""
BAYER = {
    # OpenCV names a Bayer pattern by its second row, ROS by its first.
    "rggb": cv2.COLOR_BayerBG2RGB,
    "bggr": cv2.COLOR_BayerRG2RGB,
    "gbrg": cv2.COLOR_BayerGR2RGB,
    "grbg": cv2.COLOR_BayerGB2RGB,
}

ENCODINGS = {
    "mono8": Encoding(1, GREY),
    "8uc1": Encoding(1, GREY),
    "16uc1": Encoding(1, GREY, deep=True),
    "8uc3": Encoding(3, BGR),
    "8uc4": Encoding(4, BGR),
    "16uc3": Encoding(3, BGR, deep=True),
    "16uc4": Encoding(4, BGR, deep=True),
    "yuv422": Encoding(2, UYVY),
    "uyvy": Encoding(2, UYVY),
    "yuv422_yuy2": Encoding(2, YUY2),
    "yuyv": Encoding(2, YUY2),
    "yuy2": Encoding(2, YUY2),
    "yvyu": Encoding(2, cv2.COLOR_YUV2RGB_YVYU),
    "nv12": Encoding(1, cv2.COLOR_YUV2RGB_NV12, planes="interleaved"),
    "nv21": Encoding(1, cv2.COLOR_YUV2RGB_NV21, planes="interleaved"),
    "nv24": Encoding(1, YUV, planes="full"),
    "nv42": Encoding(1, YVU, planes="full"),
    "yuv420": Encoding(1, cv2.COLOR_YUV2RGB_I420, planes="planar"),
    "yuv420p": Encoding(1, cv2.COLOR_YUV2RGB_I420, planes="planar"),
    "i420": Encoding(1, cv2.COLOR_YUV2RGB_I420, planes="planar"),
    "yv12": Encoding(1, cv2.COLOR_YUV2RGB_YV12, planes="planar"),
}
for _bits in (10, 12, 14, 16):  # in two bytes each, as far as they go
    ENCODINGS[f"mono{_bits}"] = Encoding(1, GREY, deep=True)
    for _name, _code in BAYER.items():
        ENCODINGS[f"bayer_{_name}{_bits}"] = Encoding(1, _code, deep=True)
for _bits, _deep in ((8, False), (16, True)):
    for _name, _order in (("rgb", RGB), ("bgr", BGR)):
        ENCODINGS[f"{_name}{_bits}"] = Encoding(3, _order, _deep)
        ENCODINGS[f"{_name}a{_bits}"] = Encoding(4, _order, _deep)
for _name, _code in BAYER.items():
    ENCODINGS[f"bayer_{_name}8"] = Encoding(1, _code)


def encoding_of(name: str) -> Encoding | None:
    """Return the encoding of a name, None where it is not known."""
    return ENCODINGS.get(name.strip().lower())


def layout(message: Any, encoding: Encoding) -> tuple[int, int] | None:
    """Return height in pixels and bytes from row to row; None where the data are too few.

    Where the data are exactly what width and height need, they are believed, whatever ``step``
    says. The height of 4:2:0 images may count the rows of their colours too.
    """
    width, height, size = int(message.width), int(message.height), len(message.data)
    row = width * encoding.pixel_bytes
    if not width or not height:
        return None
    halved = encoding.planes in ("interleaved", "planar")
    heights = [height]
    if halved and height % 3 == 0:
        heights.append(height * 2 // 3)
    for each in heights:
        if halved and (width % 2 or each % 2):
            continue  # colours at half resolution need even sizes
        rows = encoding.byte_rows(each)
        if size == rows * row:
            return each, row
        if message.step >= row and size >= rows * message.step:
            return each, int(message.step)
    return None


def unpack(
    message: Any, encoding: Encoding, height: int, step: int
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return the samples of a message whose layout is known, (rows, width[, samples])."""
    rows, width = encoding.byte_rows(height), int(message.width)
    data = np.frombuffer(message.data, np.uint8)[: rows * step]
    if encoding.planes == "full":
        bright = data[: height * step].reshape(height, step)[:, :width]
        colours = data[height * step :].reshape(height, 2 * step)[:, : 2 * width]
        return np.dstack([bright, colours.reshape(height, width, 2)])
    if encoding.planes == "planar" and step != width:
        bright, colours = data[: height * step].reshape(height, step), data[height * step :]
        colours = colours[: height * (step // 2)].reshape(height, step // 2)
        parts = bright[:, :width].ravel(), colours[:, : width // 2].ravel()
        return np.concatenate(parts).reshape(rows, width)
    samples = data.reshape(rows, step)[:, : width * encoding.pixel_bytes]
    if encoding.deep:
        samples = samples.view(">u2" if message.is_bigendian else "<u2")
    if encoding.samples > 1:
        return samples.reshape(rows, width, encoding.samples)
    return samples


def to_rgb(samples: NDArray, encoding: Encoding) -> NDArray:
    """Return samples as (H, W, 3) R, G, B; a view where the encoding allows.

    Raises:
        cv2.error: The encoding cannot have this size.
    """
    if isinstance(encoding.colours, slice):
        return samples[..., encoding.colours]
    if isinstance(encoding.colours, tuple):
        return cv2.transform(samples, np.array(encoding.colours))
    return cv2.cvtColor(np.ascontiguousarray(samples), encoding.colours)
