# SPDX-License-Identifier: Apache-2.0
"""The experiment as a picture: a bar for each arm, a dot for each seed."""

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.training.experiment_results import GOAL, Result, Summary
from effocc_ros.visualization import write_png
from effocc_ros.visualization.text import (
    BACKGROUND,
    BOLD,
    BRIGHT,
    DIM,
    GOOD,
    LINE,
    Color,
    page,
    put_text,
    text_width,
)

WIDTH = 1600
_MARGIN, _HEADER, _FOOTER, _ROW, _BAR = 48, 132, 64, 56, 30
"""Pixels."""
_TEACHER: Color = (96, 110, 140)
_STUDENT: Color = (70, 130, 200)


def draw_experiment(
    summaries: Sequence[Summary], guess: Result | None, subtitle: str
) -> NDArray[np.uint8]:
    """Draw the mean mIoU of each arm that has results.

    A line on C marks what the goal asks of it, ``GOAL`` of A.

    Args:
        summaries: The arms.
        guess: The score of a guess without sensors, drawn as a line through all, or None.
        subtitle: What a reader must know.

    Returns:
        (H, 1600, 3) uint8 RGB.
    """
    shown = [summary for summary in summaries if summary.results]
    canvas = page(_HEADER + _ROW * max(len(shown), 1) + _FOOTER, WIDTH)
    put_text(canvas, "Label efficiency: mIoU in percent", (_MARGIN, 52), 26, BRIGHT, BOLD)
    put_text(canvas, subtitle, (_MARGIN, 92), 16, DIM)
    names = [_name(summary) for summary in shown]
    left = _MARGIN + max([text_width(name, 16) for name in names], default=0) + 24
    span = WIDTH - _MARGIN - 150 - left
    bottom, top = _HEADER + _ROW * len(shown), _axis_end(shown, guess)

    def column(value: float) -> int:
        return left + round(span * value / top)

    _draw_axis(canvas, bottom, top, column)
    goals = {s.arm.name: GOAL * s.miou for s in shown if s.arm.name == "A"}
    for row, (summary, name) in enumerate(zip(shown, names, strict=True)):
        middle = _HEADER + row * _ROW + _ROW // 2
        put_text(canvas, name, (left - 16, middle + 7), 16, BRIGHT, align="right")
        _draw_bar(canvas, summary, middle, left, column)
        end = column(max(result.miou for result in summary.results))
        if summary.arm.name == "C" and "A" in goals:
            end = max(end, column(goals["A"]))
            _tick(canvas, column(goals["A"]), middle, GOOD)
        put_text(canvas, _said(summary), (end + 16, middle + 7), 15, BRIGHT)
    if guess is not None:
        place = column(guess.miou)
        cv2.line(canvas, (place, _HEADER - 8), (place, bottom + 6), DIM, 2, cv2.LINE_AA)
        put_text(canvas, "guess", (place + 8, _HEADER - 12), 14, DIM)
    if "A" in goals and any(summary.arm.name == "C" for summary in shown):
        text = f"green: {100 * GOAL:.2f} % of A"
        put_text(canvas, text, (WIDTH - _MARGIN, 52), 16, GOOD, align="right")
    return canvas


def write_experiment_chart(
    path: Path | str, summaries: Sequence[Summary], guess: Result | None, subtitle: str
) -> None:
    """Write the picture of :func:`draw_experiment` as a PNG file, whole or not at all."""
    write_png(path, draw_experiment(summaries, guess, subtitle))


def _name(summary: Summary) -> str:
    arm = summary.arm
    return f"{arm.name}  {arm.title}, {100 * arm.labeled:.0f} % labels"


def _said(summary: Summary) -> str:
    text = f"{100 * summary.miou:.2f}"
    # OpenCV's fonts know no plus-minus sign.
    return text if math.isnan(summary.spread) else f"{text} +- {100 * summary.spread:.2f}"


def _axis_end(summaries: Sequence[Summary], guess: Result | None) -> float:
    """The end of the axis: the next full five percent."""
    values = [result.miou for summary in summaries for result in summary.results]
    values += [] if guess is None else [guess.miou]
    return max(math.ceil(20 * max(values, default=0.05) - 1e-9) / 20, 0.05)


def _draw_axis(canvas: NDArray[np.uint8], bottom: int, top: float, column) -> None:
    step = 5 if top <= 0.5 else 10
    for tick in range(0, round(100 * top) + 1, step):
        place = column(tick / 100)
        cv2.line(canvas, (place, _HEADER - 8), (place, bottom + 6), LINE, 1, cv2.LINE_AA)
        put_text(canvas, str(tick), (place, bottom + 30), 14, DIM, align="center")


def _draw_bar(canvas: NDArray[np.uint8], summary: Summary, middle: int, left: int, column) -> None:
    color = _TEACHER if summary.arm.is_teacher else _STUDENT
    end = max(column(summary.miou), left + 1)
    corners = (left, middle - _BAR // 2), (end, middle + _BAR // 2)
    cv2.rectangle(canvas, *corners, color, cv2.FILLED, cv2.LINE_AA)
    for result in summary.results:
        place = (column(result.miou), middle)
        cv2.circle(canvas, place, 7, BACKGROUND, cv2.FILLED, cv2.LINE_AA)
        cv2.circle(canvas, place, 5, BRIGHT, cv2.FILLED, cv2.LINE_AA)


def _tick(canvas: NDArray[np.uint8], place: int, middle: int, color: Color) -> None:
    start, stop = (place, middle - _BAR // 2 - 6), (place, middle + _BAR // 2 + 6)
    cv2.line(canvas, start, stop, BACKGROUND, 7, cv2.LINE_AA)
    cv2.line(canvas, start, stop, color, 3, cv2.LINE_AA)
