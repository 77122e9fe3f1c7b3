# SPDX-License-Identifier: Apache-2.0
"""The experiment as a page for readers: Markdown."""

import math
from collections.abc import Mapping, Sequence

from effocc_ros.training.experiment_results import GOAL, Result, Summary, judge

_INTRODUCTION = """\
# Label efficiency

A student learns occupancy from few labels and a teacher. The teacher sees LiDAR and cameras; the
student has cameras alone, or LiDAR alone, and with a teacher it sees all scenes and hears, where
there are no labels, what the teacher says. Scores are mIoU in the camera mask, in percent, on
scenes that no network learned from; mean ± standard deviation over the seeds.
"""


def page(
    summaries: Sequence[Summary],
    guess: Result | None,
    about: Mapping[str, str],
    picture: str,
) -> str:
    """Write the page.

    Args:
        summaries: The arms, those of the stages behind the others.
        guess: The score of a guess without sensors, or None.
        about: What the reader must know of how it was made, name -> value.
        picture: Path of the plot, relative to the page.
    """
    main = [s for s in summaries if not s.arm.stages]
    stages = [s for s in summaries if s.arm.stages]
    parts = [_INTRODUCTION, _main_table(main, guess), _verdict(main), f"![mIoU]({picture})\n"]
    if stages:
        parts.append(_stage_table(main, stages))
    parts += [_about(about), _run_table(summaries)]
    return "\n".join(parts)


def _main_table(summaries: Sequence[Summary], guess: Result | None) -> str:
    rows = [
        (
            s.arm.name,
            s.arm.title,
            f"{100 * s.arm.labeled:.0f} %",
            s.arm.taught_by or "-",
            _with_spread(s),
            _percent(s.geometric_iou),
            str(len(s.results)),
        )
        for s in summaries
    ]
    if guess is not None:
        scores = (_percent(guess.miou), _percent(guess.geometric_iou))
        rows.append(("-", "guess without sensors", "100 %", "-", *scores, "-"))
    return _table(("", "network", "labels", "teacher", "mIoU", "geometric IoU", "seeds"), rows)


def _verdict(summaries: Sequence[Summary]) -> str:
    verdict = judge(summaries)
    lines = []
    if math.isfinite(verdict.share):
        said = "reached" if verdict.reaches_goal else "not reached"
        lines.append(
            f"- C has **{100 * verdict.share:.2f} %** of A's mIoU; the goal, as in the paper, is "
            f"{100 * GOAL:.2f} %: **{said}**."
        )
    if math.isfinite(verdict.gain):
        if math.isnan(verdict.spread):
            said = "the spread is not known yet"
        else:
            more = "more" if verdict.beats_spread else "**not** more"
            said = f"{more} than the spread of {100 * verdict.spread:.2f}"
        lines.append(f"- C is **{100 * verdict.gain:+.2f}** mIoU from B, {said}.")
    if math.isfinite(verdict.labels_spread) and not verdict.labels_matter:
        lines.append(
            f"- A is **{100 * verdict.labels:+.2f}** mIoU from B, not more than the spread of "
            f"{100 * verdict.labels_spread:.2f}: what limits these trainings is not labels. So "
            "they tell what a teacher is worth in so many steps, and not what labels are."
        )
    return "\n".join(lines or ["- A, B and C are not trained yet."]) + "\n"


def _stage_table(main: Sequence[Summary], stages: Sequence[Summary]) -> str:
    base = next((s.miou for s in main if s.arm.name == "B"), math.nan)
    rows = [
        (s.arm.title, _with_spread(s), _signed(s.miou - base), str(len(s.results))) for s in stages
    ]
    header = ("stages compared", "mIoU", "above B", "seeds")
    return "## What each stage is worth\n\n" + _table(header, rows)


def _about(about: Mapping[str, str]) -> str:
    lines = [f"- {name}: {value}" for name, value in about.items()]
    return "## How it was made\n\n" + "\n".join(lines) + "\n"


def _run_table(summaries: Sequence[Summary]) -> str:
    rows = [
        (
            result.arm,
            str(result.seed),
            _percent(result.miou),
            _percent(result.geometric_iou),
            f"{result.steps:,}",
            f"{result.seconds / 60:.0f}",
        )
        for s in summaries
        for result in s.results
    ]
    header = ("", "seed", "mIoU", "geometric IoU", "steps", "minutes")
    return "## Every training\n\n" + _table(header, rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _with_spread(summary: Summary) -> str:
    if math.isnan(summary.spread):
        return _percent(summary.miou)
    return f"{_percent(summary.miou)} ± {_percent(summary.spread)}"


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.2f}"


def _signed(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:+.2f}"
