# SPDX-License-Identifier: Apache-2.0
"""metrics.csv as a picture: losses on the left, scores on the right."""

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from effocc_ros.training.metrics import read_metrics
from effocc_ros.visualization import write_png
from effocc_ros.visualization.text import BOLD, BRIGHT, DIM, LINE, Color, page, put_text

WIDTH, HEIGHT = 1600, 640
_TOP, _BOTTOM, _MARGIN, _GAP = 120, 560, 96, 96
"""Pixels."""
COLORS: tuple[Color, ...] = (
    (236, 239, 244),
    (0, 160, 255),
    (255, 160, 60),
    (80, 200, 120),
    (220, 110, 220),
    (250, 220, 80),
)
_SHOWN = 5
"""Terms that are drawn beside the loss: those that are largest at the end."""

Curve = tuple[str, Sequence[float], Sequence[float]]
"""Name, steps, values."""


def write_curves(path: Path, metrics: Path, title: str) -> None:
    """Draw a training's metrics, whole or not at all.

    Args:
        path: The picture, ``.png``.
        metrics: Its metrics.csv.
        title: What the picture is called.
    """
    write_png(path, draw_curves(read_metrics(metrics), title))


def draw_curves(rows: Sequence[dict[str, float]], title: str) -> NDArray[np.uint8]:
    """Draw losses on a logarithmic axis, and scores in percent.

    Args:
        rows: As :func:`read_metrics` gives them.
        title: What the picture is called.

    Returns:
        (640, 1600, 3) uint8 RGB.
    """
    canvas = page(HEIGHT, WIDTH)
    put_text(canvas, title, (_MARGIN, 48), 26, BRIGHT, BOLD)
    middle = WIDTH // 2
    losses = [_curve(rows, name, name) for name in ("loss", *_largest_terms(rows))]
    scores = [
        _curve(rows, "val_miou", "mIoU, percent", 100.0),
        _curve(rows, "val_geometric_iou", "geometric IoU, percent", 100.0),
    ]
    _draw_panel(canvas, (_MARGIN, middle - _GAP // 2), losses, logarithmic=True)
    _draw_panel(canvas, (middle + _GAP // 2 + 40, WIDTH - _MARGIN // 2), scores)
    return canvas


def _largest_terms(rows: Sequence[dict[str, float]]) -> list[str]:
    known = [row for row in rows if "loss" in row]
    if not known:
        return []
    terms = list(known[-1])
    terms = terms[terms.index("loss") + 1 : terms.index("gradient")]
    chosen = sorted(terms, key=lambda name: -known[-1][name])[:_SHOWN]
    return chosen if len(terms) > 1 else []


def _curve(rows: Sequence[dict[str, float]], column: str, name: str, factor: float = 1.0) -> Curve:
    known = [row for row in rows if math.isfinite(row.get(column, math.nan))]
    return name, [row["step"] for row in known], [factor * row[column] for row in known]


def _draw_panel(
    canvas: NDArray[np.uint8],
    sides: tuple[int, int],
    curves: Sequence[Curve],
    logarithmic: bool = False,
) -> None:
    values = [value for _, _, values in curves for value in values]
    steps = [step for _, steps, _ in curves for step in steps]
    column = sides[0]
    for color, (name, _, known) in zip(COLORS, curves, strict=False):
        said = f"{name} {known[-1]:.4g}" if known else f"{name} -"
        column = put_text(canvas, said, (column, _TOP - 28), 14, color) + 24
    cv2.rectangle(canvas, (sides[0], _TOP), (sides[1], _BOTTOM), LINE, 1, cv2.LINE_AA)
    if not values:
        return
    ticks = _log_ticks(values) if logarithmic else _ticks(max(values))
    scale = math.log10 if logarithmic else float
    low, high = scale(ticks[0]), scale(ticks[-1])
    last = max(steps)

    def place(step: float, value: float) -> tuple[int, int]:
        across = sides[0] + (sides[1] - sides[0]) * step / max(last, 1)
        share = (scale(min(max(value, ticks[0]), ticks[-1])) - low) / (high - low)
        return round(across), round(_BOTTOM - (_BOTTOM - _TOP) * share)

    for tick in ticks:
        _, row = place(0, tick)
        cv2.line(canvas, (sides[0], row), (sides[1], row), LINE, 1, cv2.LINE_AA)
        put_text(canvas, f"{tick:g}", (sides[0] - 12, row + 6), 13, DIM, align="right")
    for share in (0.0, 0.5, 1.0):
        step = round(last * share)
        put_text(
            canvas, f"{step:,}", (place(step, ticks[0])[0], _BOTTOM + 28), 13, DIM, align="center"
        )
    put_text(canvas, "step", ((sides[0] + sides[1]) / 2, _BOTTOM + 56), 13, DIM, align="center")
    for color, (_, own, known) in zip(COLORS, curves, strict=False):
        points = np.array([place(*pair) for pair in zip(own, known, strict=True)], np.int32)
        if len(points) == 1:
            cv2.circle(canvas, tuple(map(int, points[0])), 4, color, cv2.FILLED, cv2.LINE_AA)
        elif len(points):
            cv2.polylines(canvas, [points], False, color, 2, cv2.LINE_AA)


def _ticks(highest: float) -> list[float]:
    """Five steps from 0 to a round number above."""
    step = 10.0 ** math.floor(math.log10(max(highest, 1e-3) / 5))
    step *= next(factor for factor in (1, 2, 5, 10) if 5 * step * factor >= highest)
    return [step * number for number in range(6)]


def _log_ticks(values: Sequence[float]) -> list[float]:
    """1, 2, 5, 10, ... around all values; at most four decades."""
    highest = max(max(values), 1e-6)
    lowest = max(min(values), highest * 1e-4)
    decades = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)
    ticks = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
    below = [tick for tick in ticks if tick <= lowest]
    above = [tick for tick in ticks if tick >= highest]
    first, last = below[-1] if below else ticks[0], above[0] if above else ticks[-1]
    return (
        [tick for tick in ticks if first <= tick <= last] if last > first else [first, 2 * first]
    )
