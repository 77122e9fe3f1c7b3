"""Scores for readers: a table in text, and JSON for programs."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from effocc_ros.evaluation.miou import Confusion, mean_of_known
from effocc_ros.evaluation.openoccupancy import scene_completion, semantic_scene_completion
from effocc_ros.evaluation.rayiou import THRESHOLDS, RayCounts
from effocc_ros.files import whole_file
from effocc_ros.occupancy import ClassList


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
        """Labels that have a row: all but free."""
        return tuple(
            label for label in range(len(self.classes.names)) if label != self.classes.free
        )


def miou_report(confusion: Confusion, title: str) -> Report:
    """IoU of each class and their mean (Occ3D-nuScenes, Occ3D-Waymo)."""
    return Report(
        title,
        confusion.classes,
        {"IoU": confusion.iou()},
        {"mIoU": confusion.mean_iou()},
        confusion.frames,
    )


def openoccupancy_report(confusion: Confusion, title: str) -> Report:
    """IoU of each class, SC and SSC (OpenOccupancy)."""
    summary = {"SC": scene_completion(confusion), "SSC": semantic_scene_completion(confusion)}
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


def text_table(report: Report) -> str:
    """Return the report as lines of text: a row per class, then the means."""
    names = [report.classes.names[label] for label in report.shown]
    first = max(map(len, (*names, *report.summary, "class")))
    widths = [max(len(name), 8) for name in report.columns]
    header = " ".join(f"{name:>{w}}" for name, w in zip(report.columns, widths, strict=True))
    rule = "-" * (first + 1 + len(header))
    frames = "1 frame" if report.frames == 1 else f"{report.frames} frames"
    lines = [f"{report.title} ({frames})", rule, f"{'class':<{first}} {header}", rule]
    for label, name in zip(report.shown, names, strict=True):
        cells = zip(report.columns.items(), widths, strict=True)
        values = (f"{said(column, values[label]):>{w}}" for (column, values), w in cells)
        lines.append(f"{name:<{first}} {' '.join(values)}")
    lines.append(rule)
    for name, value in report.summary.items():
        lines.append(f"{name:<{first}} {said(name, value):>{widths[0]}}")
    return "\n".join(lines)


def said(name: str, value: float) -> str:
    """Return a value as text: shares in percent, values with a unit as they are, NaN as a dash."""
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" if name.endswith("m/s") else f"{100 * value:.2f}"


def as_mapping(report: Report) -> dict:
    """Return the report as JSON values; NaN becomes null."""
    rows = {
        report.classes.names[label]: {
            name: _number(values[label]) for name, values in report.columns.items()
        }
        for label in report.shown
    }
    return {
        "title": report.title,
        "class_list": report.classes.name,
        "frames": report.frames,
        "summary": {name: _number(value) for name, value in report.summary.items()},
        "classes": rows,
    }


def write_json(path: Path | str, report: Report) -> None:
    """Write the report as a JSON file, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(as_mapping(report), indent=2) + "\n", encoding="utf-8")


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
