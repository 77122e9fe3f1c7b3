# SPDX-License-Identifier: Apache-2.0
"""Text and the few other things that make a page of pictures: colours, panels, badges."""

import cv2
import numpy as np
from numpy.typing import NDArray

Color = tuple[int, int, int]

BACKGROUND: Color = (18, 20, 24)
PANEL: Color = (28, 31, 37)
LINE: Color = (62, 67, 77)
DIM: Color = (146, 153, 166)
BRIGHT: Color = (236, 239, 244)
GOOD: Color = (64, 160, 96)
WARNING: Color = (222, 92, 48)

REGULAR, BOLD = 1, 2
# Height of Hershey capitals at scale 1 in pixels; OpenCV 5 takes a sans font of that size.
_CAPITAL = 22.0


def put_text(
    canvas: NDArray[np.uint8],
    text: str,
    place: tuple[float, float],
    height: float = 16.0,
    color: Color = BRIGHT,
    weight: int = REGULAR,
    align: str = "left",
) -> int:
    """Write one line of text.

    Args:
        canvas: (H, W, 3) uint8, written in place.
        text: The line.
        place: Column and row of the baseline's left end, middle or right end.
        height: Height of a capital letter in pixels.
        color: Colour in the canvas's channel order.
        weight: ``REGULAR`` or ``BOLD``.
        align: ``left``, ``center`` or ``right``.

    Returns:
        The column after the text.
    """
    width = text_width(text, height, weight)
    shift = {"left": 0.0, "center": 0.5, "right": 1.0}[align] * width
    column, row = round(place[0] - shift), round(place[1])
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(canvas, text, (column, row), font, height / _CAPITAL, color, weight, cv2.LINE_AA)
    return column + width


def text_width(text: str, height: float, weight: int = REGULAR) -> int:
    """Return how many pixels wide a line of text will be."""
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, height / _CAPITAL, weight)
    return width


def badge(
    canvas: NDArray[np.uint8], text: str, place: tuple[int, int], height: int, color: Color
) -> int:
    """Write bold text on a filled box that is centred on the row; return the column after it."""
    margin = round(0.75 * height)
    column, row = place
    right = column + text_width(text, height, BOLD) + 2 * margin
    box = (column, row - height), (right, row + height)
    cv2.rectangle(canvas, *box, color, cv2.FILLED, cv2.LINE_AA)
    put_text(canvas, text, (column + margin, row + height / 2), height, BRIGHT, BOLD)
    return right


def page(height: int, width: int, color: Color = BACKGROUND) -> NDArray[np.uint8]:
    """Return an empty (height, width, 3) canvas."""
    return np.full((height, width, 3), color, np.uint8)
