# SPDX-License-Identifier: Apache-2.0
"""A worker that holds a network and turns bag after bag into occupancy."""

import logging
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from effocc_ros.bags.guessing import guess_for
from effocc_ros.bags.process import ProcessOptions, process_bag
from effocc_ros.bags.process_result import ProcessResult
from effocc_ros.errors import InputError, shown
from effocc_ros.fleet.bag_report import INSIDE, BagReport, damage, report_inside
from effocc_ros.fleet.recipe import Recipe
from effocc_ros.fleet.serving import Handle, worker_name
from effocc_ros.predictor import Predictor
from effocc_ros.rig import Rig, load_rig

MOST_WARNINGS = 20
"""Lines that are kept of what is logged about a bag."""


@dataclass(frozen=True)
class BagTask:
    """A bag to process.

    Attributes:
        source: The bag.
        target: The rosbag2 folder that shall appear.
        recipe: What it will be made of.
    """

    source: Path
    target: Path
    recipe: Recipe


@dataclass(frozen=True)
class BagWorkers:
    """How workers process bags; calling it makes one.

    Attributes:
        options: How; ``rig`` and ``model`` are found from each bag where they are empty.
        devices: Of the workers of a machine, by number, over and over.
    """

    options: ProcessOptions
    devices: Sequence[str] = ("cpu",)

    def __call__(self, number: int) -> Handle:
        """Make the worker of this process."""
        device = self.devices[number % len(self.devices)]
        return _BagWorker(replace(self.options, device=device))


class _BagWorker:
    """Keeps the network that it used last: bags of one kind share it."""

    def __init__(self, options: ProcessOptions):
        self._options = options
        self._rig = load_rig(options.rig) if options.rig else None
        self._kept: tuple[str, Predictor] | None = None
        if options.model:
            self._predictor(options.model)

    def __call__(self, task: BagTask) -> BagReport:
        """Process a bag; whatever is wrong with it is in the report and stops nobody else."""
        finished = report_inside(task.target)
        same = finished is not None and finished.recipe == task.recipe
        if same and not damage(task.target):
            return finished  # by a worker that died before it could say so
        start = time.perf_counter()
        empty = BagReport(str(task.source), str(task.target), worker_name(), recipe=task.recipe)
        with _warnings() as warnings:
            try:
                report = self._process(task, replace(empty, warnings=warnings), start)
            except (InputError, OSError) as error:
                reason = getattr(error, "reason", "os_error")
                report = replace(empty, error=_line(error), reason=reason)
            except Exception as error:
                logging.getLogger(__name__).error("%s", traceback.format_exc())
                report = replace(empty, error=f"{type(error).__name__}: {_line(error)}")
                report = replace(report, reason="unexpected")
        seconds = round(time.perf_counter() - start, 3)
        return replace(report, seconds=seconds, warnings=tuple(warnings))

    def _process(self, task: BagTask, empty: BagReport, start: float) -> BagReport:
        rig, predictor, guessed = self._choose(task.source)
        reports: list[BagReport] = []

        def beside(folder: Path, result: ProcessResult) -> None:
            report = _filled(empty, result, rig, guessed, time.perf_counter() - start)
            (folder / INSIDE).write_text(report.json() + "\n", encoding="utf-8")
            reports.append(report)

        options = replace(self._options, rig=rig, model=predictor)
        process_bag(task.source, task.target, options, beside=beside)
        return reports[0]

    def _choose(self, bag: Path) -> tuple[Rig, Predictor, Sequence[str]]:
        named = self._predictor(self._options.model) if self._options.model else None
        if self._rig and named:
            return self._rig, named, ()
        found = guess_for(bag, self._rig, named.config.modality if named else "")
        return found.rig, named or self._predictor(found.model), found.lines

    def _predictor(self, model: str) -> Predictor:
        if self._kept is None or self._kept[0] != model:
            if self._kept is not None:
                self._kept[1].close()
            self._kept = (model, replace(self._options, model=model).predictor())
        return self._kept[1]


def _filled(
    empty: BagReport, result: ProcessResult, rig: Rig, guessed: Sequence[str], seconds: float
) -> BagReport:
    return replace(
        empty,
        seconds=round(seconds, 3),
        frames_in=result.frames_in,
        frames_out=result.frames_out,
        drops=dict(result.drops),
        rejected=dict(result.rejected),
        rig=rig.name,
        model=result.model,
        trained=result.trained,
        guessed=tuple(guessed),
        warnings=tuple(empty.warnings),
    )


def _line(error: Exception) -> str:
    return shown(" ".join(str(error).split()))


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Collect what the package logs, in place of a stream that all workers share."""
    lines: list[str] = []
    logger = logging.getLogger("effocc_ros")
    handler = _Collector(lines)
    before, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.propagate = before


class _Collector(logging.Handler):
    def __init__(self, lines: list[str]):
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        if len(self._lines) < MOST_WARNINGS:
            self._lines.append(shown(record.getMessage()))
