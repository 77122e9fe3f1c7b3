# SPDX-License-Identifier: Apache-2.0
"""Scores for readers: a table in text, and JSON for programs."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from effocc_ros.evaluation.miou import Confusion, mean_of_known
from effocc_ros.evaluation.rayiou import THRESHOLDS, RayCounts
from effocc_ros.files import whole_file
from effocc_ros.occupancy import ClassList

GUESS = "guess"
"""Column of the baseline."""


@dataclass(frozen=True)
class Report:
    """Scores of one model on one set of frames.

    Attributes:
        title: What was scored, on what.
        classes: What the rows mean.
        columns: Name to values (C,), one per class; NaN where a class did not occur. Shares are
            0..1; a name that ends in a unit, as ``AVE m/s``, is no share.
        summary: Name to mean value.
        frames: Number of frames.
    """

    title: str
    classes: ClassList
    columns: Mapping[str, NDArray[np.float64]]
    summary: Mapping[str, float]
    frames: int

    @property
    def shown(self) -> tuple[int, ...]:
        """Labels that have a row."""
        return self.classes.scored


def miou_report(confusion: Confusion, title: str) -> Report:
    """IoU of each class, their mean, and IoU of occupied against free (Occ3D, OpenOcc)."""
    summary = {"mIoU": confusion.mean_iou(), "geometric IoU": confusion.geometric_iou()}
    return Report(title, confusion.classes, {"IoU": confusion.iou()}, summary, confusion.frames)


def openoccupancy_report(confusion: Confusion, title: str) -> Report:
    """IoU of each class, SC and SSC: OpenOccupancy's names of geometric IoU and mIoU."""
    summary = {"SC": confusion.geometric_iou(), "SSC": confusion.mean_iou()}
    return Report(title, confusion.classes, {"IoU": confusion.iou()}, summary, confusion.frames)


def rayiou_report(counts: RayCounts, title: str) -> Report:
    """IoU of each class at 1, 2, 4 m, RayIoU, and flow errors where flow was scored."""
    iou = counts.iou()
    names = [f"IoU@{threshold:.0f}" for threshold in THRESHOLDS]
    columns = dict(zip(names, iou, strict=True))
    summary = {"RayIoU": counts.ray_iou()}
    summary |= {f"Ray{name}": mean_of_known(column) for name, column in columns.items()}
    if counts.flow_hits.any():
        columns["AVE m/s"] = counts.velocity_errors()
        summary["mAVE m/s"] = mean_of_known(counts.velocity_errors())
        summary["Occ score"] = counts.score()
    return Report(title, counts.classes, columns, summary, counts.frames)


def text_table(report: Report, baseline: Report | None = None) -> str:
    """Return the report as lines of text: a row per class, then the means.

    Args:
        report: What to print.
        baseline: Another report of the same kind; its first column and its means get the last
            column.
    """
    names = [report.classes.names[label] for label in report.shown]
    columns = dict(report.columns)
    if baseline is not None:
        columns[GUESS] = next(iter(baseline.columns.values()))
    first = max(map(len, (*names, *report.summary, "class")))
    widths = [max(len(name), 8) for name in columns]
    header = " ".join(f"{name:>{w}}" for name, w in zip(columns, widths, strict=True))
    rule = "-" * (first + 1 + len(header))
    frames = "1 frame" if report.frames == 1 else f"{report.frames} frames"
    lines = [f"{report.title} ({frames})", rule, f"{'class':<{first}} {header}", rule]
    for label, name in zip(report.shown, names, strict=True):
        cells = zip(columns.items(), widths, strict=True)
        values = (f"{said(column, values[label]):>{w}}" for (column, values), w in cells)
        lines.append(f"{name:<{first}} {' '.join(values)}")
    lines.append(rule)
    for name, value in report.summary.items():
        line = f"{name:<{first}} {said(name, value):>{widths[0]}}"
        if baseline is not None:
            guess = said(name, baseline.summary.get(name, math.nan))
            line = f"{line}{guess:>{len(rule) - len(line)}}"
        lines.append(line)
    if baseline is not None:
        lines.append(f"{GUESS}: {baseline.title}")
    return "\n".join(lines)


def said(name: str, value: float) -> str:
    """Return a value as text: shares in percent, values with a unit as they are, NaN as a dash."""
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" if name.endswith("m/s") else f"{100 * value:.2f}"


def as_mapping(report: Report, baseline: Report | None = None) -> dict:
    """Return the report as JSON values, the baseline within it; NaN becomes null."""
    rows = {
        report.classes.names[label]: {
            name: number(values[label]) for name, values in report.columns.items()
        }
        for label in report.shown
    }
    mapping = {
        "title": report.title,
        "class_list": report.classes.name,
        "frames": report.frames,
        "summary": {name: number(value) for name, value in report.summary.items()},
        "classes": rows,
    }
    return mapping if baseline is None else mapping | {"baseline": as_mapping(baseline)}


def write_json(path: Path | str, report: Report, baseline: Report | None = None) -> None:
    """Write the report as a JSON file, whole or not at all."""
    write_mapping(path, as_mapping(report, baseline))


def write_mapping(path: Path | str, mapping: Mapping) -> None:
    """Write JSON values as a file, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(mapping, indent=2) + "\n", encoding="utf-8")


def number(value: float) -> float | None:
    """Return a score as JSON has it: null where it is not known."""
    return None if math.isnan(value) else float(value)
