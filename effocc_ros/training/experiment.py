# SPDX-License-Identifier: Apache-2.0
"""The label-efficiency experiment: train all arms, judge them, tell the result."""

import math
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from effocc_ros.datasets.benchmarks import label_space
from effocc_ros.errors import InputError
from effocc_ros.evaluation.evaluate import evaluate_all
from effocc_ros.evaluation.guess import NAME, SAMPLES, learn_guess
from effocc_ros.evaluation.reading import evenly
from effocc_ros.evaluation.report import write_mapping
from effocc_ros.files import only_writer
from effocc_ros.plain_files import read_json
from effocc_ros.presets import load_preset
from effocc_ros.training.config import TrainConfig
from effocc_ros.training.experiment_plan import Run, steps_within
from effocc_ros.training.experiment_report import write_report
from effocc_ros.training.experiment_results import Result
from effocc_ros.training.experiment_settings import Settings
from effocc_ros.training.experiment_speed import Speed, measure_speed
from effocc_ros.training.metrics import read_metrics
from effocc_ros.training.run_folder import RunFolder
from effocc_ros.training.run_state import load_state
from effocc_ros.training.splits import (
    NO_SENSORS,
    open_training_split,
    open_validation_split,
)
from effocc_ros.training.student import check_teacher

PATIENCE = 5.0
"""Seconds between two looks at what other processes have finished."""


def run_experiment(settings: Settings, train: Callable[[TrainConfig], Any]) -> int:
    """Run it, or go on with it; after every training the page is written anew.

    Several processes, on one machine or on many that share the folder, may run the same
    experiment: each takes a training that no other is at and whose start and teacher are there.

    Args:
        settings: The experiment.
        train: Trains as a config says, or goes on; its result has ``finished`` and ``signal``.

    Returns:
        0 at the end; 128 and the signal that stopped a training.

    Raises:
        InputError: Something that a config names cannot be used, or the folder holds another
            experiment.
    """
    # What does not fit shall not be found out after hours of the first training.
    _check(settings)
    try:
        _run(settings, partial(_to_the_end, train))
    except _Stopped as stopped:
        return 128 + stopped.signal
    return 0


def _check(settings: Settings) -> None:
    """Raise InputError where a config does not fit, or networks that follow one another do not."""
    for run in settings.plan.runs():
        config = settings.config(run, 1)
        if not config.val_split and run.arm.kind != "start":
            raise InputError(
                f"experiment, {run.name}",
                found="no val_split",
                expected="a split that judges: the page compares scores",
                do="Name one, such as val_split=val",
                reason="bad_option",
            )
        network = load_preset(config.preset)
        start, teacher = settings.plan.start_of(run), settings.plan.teacher_of(run)
        if teacher is not None:
            check_teacher(load_preset(settings.config(teacher, 1).preset), network)
        if start is not None and load_preset(settings.config(start, 1).preset) != network:
            raise InputError(
                f"--start {settings.start}",
                found=f"a training of {settings.config(start, 1).preset}",
                expected=f"one of {network.name}, as the student {settings.student} is",
                reason="bad_option",
            )


def _run(settings: Settings, train: Callable[[TrainConfig], None]) -> None:
    with only_writer(_state(settings, "lock"), wait=True):
        steps = _steps(settings, train)
        guess = _once(_state(settings, "guess.json"), lambda: _guess(settings, steps))
    runs = settings.plan.runs()
    while waiting := [run for run in runs if not _is_over(settings, run)]:
        if not any(_take(settings, run, steps, guess, train) for run in waiting):
            time.sleep(PATIENCE)
    _report(settings, guess)


def _take(
    settings: Settings,
    run: Run,
    steps: int,
    guess: Result,
    train: Callable[[TrainConfig], None],
) -> bool:
    """Train one network; False where another process is at it, or what it needs is not there."""
    if not all(_is_over(settings, needed) for needed in settings.plan.needs(run)):
        return False
    with ExitStack() as stack:
        try:
            stack.enter_context(only_writer(_state(settings, f"{run.name}.lock")))
        except InputError as error:
            if error.reason != "busy_output":
                raise
            return False
        if not _is_over(settings, run):
            config = settings.config(run, steps)
            signal = train(config)
            _keep(_state(settings, f"{run.name}.json"), result_of(run, config))
            if signal:
                raise _Stopped(signal)
    _report(settings, guess)
    return True


def _report(settings: Settings, guess: Result) -> None:
    with only_writer(_state(settings, "report.lock"), wait=True):
        files = [_state(settings, f"{run.name}.json") for run in settings.plan.runs()]
        write_report(settings, guess, [_kept(file) for file in files if file.is_file()])


def _state(settings: Settings, name: str) -> Path:
    return settings.out / "state" / name


def _is_over(settings: Settings, run: Run) -> bool:
    return _state(settings, f"{run.name}.json").is_file()


class _Stopped(Exception):
    """A signal stopped a training."""

    def __init__(self, signal: int):
        self.signal = signal


def _to_the_end(train: Callable[[TrainConfig], Any], config: TrainConfig) -> int:
    """Train; return the signal that came while the finished training was judged, or 0."""
    outcome = train(config)
    if not outcome.finished:
        raise _Stopped(outcome.signal)
    return outcome.signal


def result_of(run: Run, config: TrainConfig) -> Result:
    """Read how a training that is finished ended.

    Raises:
        InputError: It was never judged.
    """
    folder = RunFolder(config.folder)
    state = load_state(folder.state)
    judged = [row for row in read_metrics(folder.metrics) if "val_miou" in row]
    scores = (judged[-1]["val_miou"], judged[-1]["val_geometric_iou"]) if judged else None
    if not config.val_split:
        scores = (math.nan, math.nan)
    if scores is None or state is None:
        raise InputError(
            f"training {folder.path}",
            found="no evaluation in metrics.csv",
            expected="one after the last step",
            do="Give the training a val_split",
            reason="not_judged",
        )
    return Result(run.arm.name, run.seed, *scores, state.step, state.seconds)


def _steps(settings: Settings, train: Callable[[TrainConfig], None]) -> int:
    """Decide how many steps each student has: once for an experiment."""
    ours = {
        "root": str(settings.root),
        "start": settings.start,
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
    there = _mapping(file)
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
    judged = settings.config(Run(settings.plan.arms[0], 0), 1)
    frames = len(open_validation_split(judged, NO_SENSORS))
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
        _keep(file, make())
    return _kept(file)


def _keep(file: Path, result: Result) -> None:
    """Write a result; scores that are not known are null."""
    values = asdict(result).items()
    write_mapping(file, {k: None if v != v else v for k, v in values})


def _kept(file: Path) -> Result:
    values = {k: math.nan if v is None else v for k, v in _mapping(file).items()}
    if values.keys() != {each.name for each in fields(Result)}:
        raise _damaged(file, f"the fields {', '.join(values) or 'none'}")
    return Result(**values)


def _mapping(file: Path) -> dict[str, Any]:
    try:
        values = read_json(file)
    except ValueError as error:
        raise _damaged(file, f"no JSON ({error})") from error
    if not isinstance(values, dict):
        raise _damaged(file, type(values).__name__)
    return values


def _damaged(file: Path, found: str) -> InputError:
    return InputError(
        f"experiment's file {file}",
        found=found,
        expected="what `effocc experiment` wrote there",
        do="Remove it and run the command again; after plan.json with the former --steps",
        reason="bad_state",
    )
