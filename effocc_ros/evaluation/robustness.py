# SPDX-License-Identifier: Apache-2.0
"""How much of a score is left when sensors fail: a table, JSON and a chart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from effocc_ros.evaluation.evaluate import Scores
from effocc_ros.evaluation.report import GUESS, Report, number, said
from effocc_ros.occupancy import ClassList

UNHARMED = "all as it should be"
STOPPED = "cannot run"
_COLOR = (0, 130, 255)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: The corruption, or ``UNHARMED``.
        said: What it does.
        miou: Mean IoU, 0..1; None where the network cannot run.
        geometric_iou: IoU of occupied against free, likewise.
    """

    name: str
    said: str
    miou: float | None = None
    geometric_iou: float | None = None

    @classmethod
    def of(cls, name: str, said: str, scores: Scores | None) -> "Row":
        """Make the line of some scores."""
        if scores is None:
            return cls(name, said)
        return cls(name, said, scores.confusion.mean_iou(), scores.confusion.geometric_iou())


@dataclass(frozen=True)
class Robustness:
    """The scores of one model under corruptions.

    Attributes:
        title: What was scored, on what.
        rows: The first is that of intact sensors.
        frames: Number of frames.
    """

    title: str
    rows: Sequence[Row]
    frames: int


def robustness_table(robustness: Robustness) -> str:
    """Return the rows as text; the last column is mIoU less that of intact sensors."""
    rows = robustness.rows
    width = max(len(row.name) for row in rows)
    header = f"{'':<{width}} {'mIoU':>8} {'geometric IoU':>14} {'difference':>11}"
    rule = "-" * len(header)
    lines = [f"{robustness.title} ({robustness.frames} frames)", rule, header, rule]
    for row in rows:
        if row.miou is None:
            lines.append(f"{row.name:<{width}} {STOPPED}: {row.said}")
            continue
        difference = f"{100 * (row.miou - rows[0].miou):+.2f}"
        scores = f"{said('mIoU', row.miou):>8} {said('IoU', row.geometric_iou):>14}"
        last = f" {difference:>11}" if row.name not in (UNHARMED, GUESS) else " " * 12
        lines.append(f"{row.name:<{width}} {scores}{last}  {row.said}".rstrip())
    return "\n".join(lines)


def robustness_mapping(robustness: Robustness) -> dict:
    """Return the rows as JSON values; null where the network cannot run."""
    return {
        "title": robustness.title,
        "frames": robustness.frames,
        "rows": [
            {
                "name": row.name,
                "description": row.said,
                "mIoU": None if row.miou is None else number(row.miou),
                "geometric IoU": None if row.miou is None else number(row.geometric_iou),
            }
            for row in robustness.rows
        ],
    }


def robustness_report(robustness: Robustness) -> Report:
    """Return the rows as a report, for the chart: each stands where else a class does."""
    rows = robustness.rows
    # A report's last class is free and has no bar.
    classes = ClassList(
        "robustness", (*(row.name for row in rows), ""), (_COLOR,) * (len(rows) + 1), len(rows)
    )
    values = [np.nan if row.miou is None else row.miou for row in rows]
    summary = {"mIoU with all sensors": rows[0].miou}
    columns = {"mIoU": np.array([*values, np.nan])}
    return Report(robustness.title, classes, columns, summary, robustness.frames)
