"""The label-efficiency experiment: train all arms, judge them, tell the result."""

import json
import os
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from effocc_ros.datasets.benchmarks import label_space
from effocc_ros.errors import InputError
from effocc_ros.evaluation.evaluate import evaluate_all
from effocc_ros.evaluation.guess import NAME, SAMPLES, learn_guess
from effocc_ros.evaluation.reading import evenly
from effocc_ros.evaluation.report import write_mapping
from effocc_ros.files import only_writer, whole_file
from effocc_ros.training.config import (
    TrainConfig,
    config_from_mapping,
    config_to_mapping,
    load_config,
)
from effocc_ros.training.experiment_chart import write_experiment_chart
from effocc_ros.training.experiment_page import page
from effocc_ros.training.experiment_plan import Plan, Run, steps_within
from effocc_ros.training.experiment_results import Result, as_mapping, summarise
from effocc_ros.training.experiment_speed import Speed, measure_speed
from effocc_ros.training.metrics import read_metrics
from effocc_ros.training.run_folder import RunFolder
from effocc_ros.training.run_state import load_state
from effocc_ros.training.splits import (
    NO_SENSORS,
    open_training_split,
    open_validation_split,
)

NAME_OF_FILES = "label_efficiency"


@dataclass(frozen=True)
class Settings:
    """An experiment.

    Attributes:
        out: Its folder.
        root: Folder of the data set.
        plan: Which trainings.
        teacher: Training config of the teachers.
        student: Training config of the students.
        values: ``key=value`` for all trainings.
        taught: ``key=value`` for those that have a teacher.
        steps: Optimizer steps of each training; 0: as the time budget allows.
        hours: Time budget of all trainings together.
        device: ``auto``, ``cpu`` or ``cuda``.
        command: The command that made it, for the page.
    """

    out: Path
    root: Path
    plan: Plan
    teacher: str = "fusion_tiny"
    student: str = "vision_tiny"
    values: tuple[str, ...] = ()
    taught: tuple[str, ...] = ()
    steps: int = 0
    hours: float = 8.0
    device: str = "auto"
    command: str = ""

    def config(self, run: Run, steps: int, folder: Path | None = None) -> TrainConfig:
        """Return the config of one training.

        Args:
            run: Which.
            steps: Its optimizer steps.
            folder: Where it and its teacher are; ``out/runs`` when None.
        """
        folder = folder or self.out / "runs"
        teacher = self.plan.teacher_of(run)
        name = self.teacher if run.arm.is_teacher else self.student
        weights = "" if teacher is None else str(RunFolder(folder / teacher.name).last)
        values = (f"root={self.root}", f"device={self.device}", *self.values)
        if teacher is not None:
            values += (f"teacher={weights}", *self.taught)
        config = load_config(name, values)
        changes = {
            "name": run.name,
            "out": str(folder / run.name),
            "seed": run.seed,
            "labeled_fraction": run.arm.labeled,
            "budget": "",
            "init": "",
            "max_steps": steps,
            "epochs": 0,
            "max_minutes": 0.0,
            "val_every": 0,
            "teacher": weights,
            "unlabeled": teacher is not None,
        }
        if teacher is None:
            changes |= {"pseudo_labels": False, "teacher_train_mode": False}
        if run.arm.stages:
            none = dict.fromkeys(asdict(config.stage_weights), 0.0)
            stages = none | dict(run.arm.stages)
            changes["stage_weights"] = replace(config.stage_weights, **stages)
        changed = replace(config, **changes)
        return config_from_mapping(config_to_mapping(changed), f"training {run.name}")


def run_experiment(settings: Settings, train: Callable[[TrainConfig], Any]) -> int:
    """Run it, or go on with it; after every training the page is written anew.

    Args:
        settings: The experiment.
        train: Trains as a config says, or goes on; its result has ``finished`` and ``signal``.

    Returns:
        0 at the end; 128 and the signal that stopped a training.

    Raises:
        InputError: Something that a config names cannot be used, or the folder holds another
            experiment.
    """
    # A field that no training knows shall not be found out after hours of the first one.
    for run in settings.plan.runs():
        settings.config(run, 1)
    with only_writer(settings.out / "state" / "lock"):
        try:
            _run(settings, partial(_to_the_end, train))
        except _Stopped as stopped:
            return 128 + stopped.signal
    return 0


def _run(settings: Settings, train: Callable[[TrainConfig], None]) -> None:
    steps = _steps(settings, train)
    guess = _once(settings.out / "state" / "guess.json", lambda: _guess(settings, steps))
    for run in settings.plan.runs():
        file = settings.out / "state" / f"{run.name}.json"
        if not file.is_file():
            config = settings.config(run, steps)
            train(config)
            write_mapping(file, asdict(result_of(run, config)))
        write_report(settings, guess)


class _Stopped(Exception):
    """A signal stopped a training."""

    def __init__(self, signal: int):
        self.signal = signal


def _to_the_end(train: Callable[[TrainConfig], Any], config: TrainConfig) -> None:
    outcome = train(config)
    if not outcome.finished:
        raise _Stopped(outcome.signal)


def result_of(run: Run, config: TrainConfig) -> Result:
    """Read how a training that is finished ended.

    Raises:
        InputError: It was never judged.
    """
    folder = RunFolder(config.folder)
    judged = [row for row in read_metrics(folder.metrics) if "val_miou" in row]
    state = load_state(folder.state)
    if not judged or state is None:
        raise InputError(
            f"training {folder.path}",
            found="no evaluation in metrics.csv",
            expected="one after the last step",
            do="Give the training a val_split",
            reason="not_judged",
        )
    last = judged[-1]
    return Result(
        run.arm.name,
        run.seed,
        last["val_miou"],
        last["val_geometric_iou"],
        state.step,
        state.seconds,
    )


def write_report(settings: Settings, guess: Result | None) -> None:
    """Write label_efficiency.json, .md and .png from the trainings that are finished."""
    results = []
    for run in settings.plan.runs():
        file = settings.out / "state" / f"{run.name}.json"
        if file.is_file():
            results.append(Result(**json.loads(file.read_text())))
    summaries = summarise(settings.plan.arms, results)
    about = _about(settings, results)
    base = settings.out / NAME_OF_FILES
    write_mapping(base.with_suffix(".json"), as_mapping(summaries, guess, about))
    steps = results[0].steps if results else 0
    subtitle = f"{settings.root.name}, {steps:,} steps each, dots are seeds"
    write_experiment_chart(base.with_suffix(".png"), summaries, guess, subtitle)
    with whole_file(base.with_suffix(".md")) as partial:
        partial.write_text(page(summaries, guess, about, f"{NAME_OF_FILES}.png"), encoding="utf-8")


def said_verdict(settings: Settings) -> str:
    """Return the verdict on the trainings that are finished, in one line."""
    verdict = json.loads((settings.out / f"{NAME_OF_FILES}.json").read_text())["verdict"]
    if verdict["share"] is None or verdict["gain"] is None:
        return "A, B and C are not all trained yet"
    return f"C / A {100 * verdict['share']:.2f} %, C - B {100 * verdict['gain']:+.2f} mIoU"


def _steps(settings: Settings, train: Callable[[TrainConfig], None]) -> int:
    """Decide how many steps each training has: once for an experiment."""
    ours = {
        "teacher": settings.teacher,
        "student": settings.student,
        "values": list(settings.values),
        "taught": list(settings.taught),
        "teacher_seeds": settings.plan.teacher_seeds,
    }
    file = settings.out / "state" / "plan.json"
    if not file.is_file():
        speeds = {}
        steps = settings.steps
        if not steps:
            speeds = _speeds(settings, train)
            steps = _affordable(settings, speeds)
        speeds = {kind: asdict(speed) for kind, speed in speeds.items()}
        write_mapping(file, ours | {"steps": steps, "speeds": speeds})
    there = json.loads(file.read_text())
    wanted = ours | ({"steps": settings.steps} if settings.steps else {})
    for name, value in wanted.items():
        if there.get(name) != value:
            raise InputError(
                f"experiment {settings.out}",
                found=f"one with {name} {there.get(name)}",
                expected=f"{name} {value}, or an empty folder",
                do="Choose another folder with --out, or the same values to go on",
                reason="other_run",
            )
    return there["steps"]


def _speeds(settings: Settings, train: Callable[[TrainConfig], None]) -> dict[str, Speed]:
    """Measure a training of each kind; a teacher comes before the one that it teaches."""
    folder = settings.out / "speed"
    # What an interrupted measurement left would go on, and look fast.
    shutil.rmtree(folder, ignore_errors=True)
    found: dict[str, Speed] = {}
    for run in settings.plan.runs():
        if run.arm.kind not in found:
            found[run.arm.kind] = measure_speed(settings.config(run, 1, folder), train)
    shutil.rmtree(folder, ignore_errors=True)
    return found


def _affordable(settings: Settings, speeds: dict[str, Speed]) -> int:
    run = settings.plan.runs()[0]
    frames = len(open_validation_split(settings.config(run, 1), NO_SENSORS))
    return steps_within(
        3600 * settings.hours,
        settings.plan.runs(),
        {kind: speed.step for kind, speed in speeds.items()},
        {kind: speed.start + frames * speed.frame for kind, speed in speeds.items()},
    )


def _guess(settings: Settings, steps: int) -> Result:
    """Score what is most often in each voxel of the training labels, all of them."""
    config = settings.config(Run(settings.plan.arms[0], 0), steps)
    config = replace(config, labeled_fraction=1.0, unlabeled=False)
    space = label_space(config.dataset)
    train = open_training_split(config, NO_SENSORS)
    truths = (train.read(i, 0).truth for i in evenly(len(train), SAMPLES))
    guess = learn_guess(truths, space)
    val = open_validation_split(config, NO_SENSORS)
    samples = (val.read(i, 0) for i in range(len(val)))
    mask = "camera" if val.read(0, 0).mask_camera is not None else "none"
    confusion = evaluate_all(samples, {NAME: guess}, space, mask=mask)[NAME].confusion
    return Result("guess", 0, confusion.mean_iou(), confusion.geometric_iou(), 0, 0.0)


def _once(file: Path, make: Callable[[], Result]) -> Result:
    if not file.is_file():
        write_mapping(file, asdict(make()))
    return Result(**json.loads(file.read_text()))


def _about(settings: Settings, results: list[Result]) -> dict[str, str]:
    hours = sum(result.seconds for result in results) / 3600
    trained = len(results)
    return {
        "Data": f"{settings.root.name}, scenes of the split val held out",
        "Networks": f"teacher {settings.teacher}, student {settings.student}",
        "Trainings": f"{trained} of {len(settings.plan.runs())}, "
        f"{results[0].steps if results else 0:,} steps each",
        "Time": f"{hours:.2f} h of training",
        "Machine": machine(),
        "Command": f"`{settings.command}`",
        "Date": time.strftime("%Y-%m-%d"),
    }


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
