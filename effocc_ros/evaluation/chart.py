# SPDX-License-Identifier: Apache-2.0
"""Scores as a picture: a bar for each class."""

import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.evaluation.report import Report, said
from effocc_ros.visualization import write_png
from effocc_ros.visualization.text import (
    BACKGROUND,
    BOLD,
    BRIGHT,
    DIM,
    LINE,
    Color,
    page,
    put_text,
    text_width,
)

WIDTH = 1600
_MARGIN, _HEADER, _FOOTER, _ROW, _BAR = 48, 132, 64, 40, 24
"""Pixels."""


def draw_bar_chart(report: Report, baseline: Report | None = None) -> NDArray[np.uint8]:
    """Draw the first column of a report, a bar for each class.

    Args:
        report: What to draw.
        baseline: Another report on the same classes, drawn as a tick on each bar.

    Returns:
        (H, 1600, 3) uint8 RGB.
    """
    column, values = next(iter(report.columns.items()))
    height = _HEADER + _ROW * len(report.shown) + _FOOTER
    canvas = page(height, WIDTH)
    _draw_header(canvas, report, column, baseline)
    names = [report.classes.names[label].replace("_", " ") for label in report.shown]
    left = _MARGIN + max(text_width(name, 16) for name in names) + 24
    span = WIDTH - _MARGIN - 96 - left
    top = _axis_end(values, report, baseline, column)
    bottom = _HEADER + _ROW * len(names)
    _draw_axis(canvas, left, span, bottom, top)
    for row, (label, name) in enumerate(zip(report.shown, names, strict=True)):
        middle = _HEADER + row * _ROW + _ROW // 2
        known = not math.isnan(values[label])
        color = BRIGHT if known else DIM
        put_text(canvas, name, (left - 16, middle + 7), 16, color, align="right")
        end = left
        if known:
            end = left + round(span * values[label] / top)
            _draw_bar(canvas, left, end, middle, report.classes.colors[label])
        mark = math.nan if baseline is None else baseline.columns[column][label]
        if not math.isnan(mark):
            place = left + round(span * mark / top)
            start, stop = (place, middle - _BAR // 2 - 5), (place, middle + _BAR // 2 + 5)
            cv2.line(canvas, start, stop, BACKGROUND, 6, cv2.LINE_AA)
            cv2.line(canvas, start, stop, BRIGHT, 2, cv2.LINE_AA)
            end = max(end, place)
        put_text(canvas, said(column, values[label]), (end + 12, middle + 7), 15, color)
    return canvas


def write_bar_chart(path: Path | str, report: Report, baseline: Report | None = None) -> None:
    """Write the chart of :func:`draw_bar_chart` as a PNG file, whole or not at all."""
    write_png(path, draw_bar_chart(report, baseline))


def _draw_header(
    canvas: NDArray[np.uint8], report: Report, column: str, baseline: Report | None
) -> None:
    put_text(canvas, report.title, (_MARGIN, 52), 26, BRIGHT, BOLD)
    frames = "1 frame" if report.frames == 1 else f"{report.frames:,} frames"
    parts = [f"{name} {said(name, value)}" for name, value in report.summary.items()]
    line = f"{column} in percent, {frames}.  " + ",  ".join(parts)
    put_text(canvas, line, (_MARGIN, 92), 16, DIM)
    if baseline is not None:
        text = f"tick: {baseline.title}"
        put_text(canvas, text, (WIDTH - _MARGIN, 92), 16, DIM, align="right")


def _axis_end(
    values: NDArray[np.float64], report: Report, baseline: Report | None, column: str
) -> float:
    """The end of the axis: the next full ten percent, at most one hundred."""
    shown = [values[label] for label in report.shown]
    if baseline is not None:
        shown += [baseline.columns[column][label] for label in report.shown]
    highest = max((value for value in shown if not math.isnan(value)), default=0.1)
    return min(max(math.ceil(highest * 10 - 1e-9) / 10, 0.1), 1.0)


def _draw_axis(canvas: NDArray[np.uint8], left: int, span: int, bottom: int, top: float) -> None:
    for tick in range(round(top * 10) + 1):
        place = left + round(span * tick / (10 * top))
        cv2.line(canvas, (place, _HEADER - 8), (place, bottom + 6), LINE, 1, cv2.LINE_AA)
        put_text(canvas, str(10 * tick), (place, bottom + 30), 14, DIM, align="center")


def _draw_bar(canvas: NDArray[np.uint8], left: int, end: int, middle: int, color: Color) -> None:
    corners = (left, middle - _BAR // 2), (max(end, left + 1), middle + _BAR // 2)
    cv2.rectangle(canvas, *corners, color, cv2.FILLED, cv2.LINE_AA)
