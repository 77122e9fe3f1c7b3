# SPDX-License-Identifier: Apache-2.0
"""The report of an experiment: JSON, page and plot from the trainings that are finished."""

import json
import os
import platform
import time
from pathlib import Path

import torch

from effocc_ros.evaluation.report import write_mapping
from effocc_ros.files import whole_file
from effocc_ros.training.experiment_chart import write_experiment_chart
from effocc_ros.training.experiment_page import page
from effocc_ros.training.experiment_results import Result, as_mapping, summarise
from effocc_ros.training.experiment_settings import Settings

NAME_OF_FILES = "label_efficiency"


def write_report(settings: Settings, guess: Result, trained: list[Result]) -> None:
    """Write label_efficiency.json, .md and .png.

    Args:
        settings: The experiment.
        guess: The score of a guess without sensors.
        trained: The trainings that are finished, the start among them.
    """
    summaries = summarise(settings.plan.arms, trained)
    about = _about(settings, trained)
    base = settings.out / NAME_OF_FILES
    write_mapping(base.with_suffix(".json"), as_mapping(summaries, guess, about))
    students = [run.steps for s in summaries if not s.arm.is_teacher for run in s.results]
    subtitle = (
        f"{settings.root.name}, {max(students, default=0):,} steps a student, dots are seeds"
    )
    write_experiment_chart(base.with_suffix(".png"), summaries, guess, subtitle)
    with whole_file(base.with_suffix(".md")) as partial:
        partial.write_text(page(summaries, guess, about, f"{NAME_OF_FILES}.png"), encoding="utf-8")


def said_verdict(settings: Settings) -> str:
    """Return the verdict on the trainings that are finished, in one line."""
    verdict = json.loads((settings.out / f"{NAME_OF_FILES}.json").read_text())["verdict"]
    if verdict["share"] is None or verdict["gain"] is None:
        return "A, B and C are not all trained yet"
    return f"C / A {100 * verdict['share']:.2f} %, C - B {100 * verdict['gain']:+.2f} mIoU"


def machine() -> str:
    """Return what the trainings ran on, in words."""
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text(errors="replace").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    return ", ".join([*gpus, f"{model}, {os.cpu_count()} cores", f"torch {torch.__version__}"])


def _judged_by(settings: Settings) -> str:
    """Return the split that judges."""
    judged = next(run for run in settings.plan.runs() if run.arm.kind != "start")
    return settings.config(judged, 1).val_split


def _about(settings: Settings, trained: list[Result]) -> dict[str, str]:
    hours = sum(result.seconds for result in trained) / 3600
    start = f", start {settings.start}" if settings.plan.start else ""
    return {
        "Data": f"{settings.root.name}, scenes of the split {_judged_by(settings)} held out",
        "Networks": f"teacher {settings.teacher}, student {settings.student}{start}",
        "Trainings": f"{len(trained)} of {len(settings.plan.runs())}",
        "Time": f"{hours:.2f} h of training",
        "Machine": machine(),
        "Command": f"`{settings.command}`",
        "Date": time.strftime("%Y-%m-%d"),
    }
