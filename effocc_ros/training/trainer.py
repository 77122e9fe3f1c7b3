"""The training loop: `train(config)`."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from lightning_fabric import Fabric

from effocc_ros.training.batch import Batch
from effocc_ros.training.config import TrainConfig
from effocc_ros.training.curves import write_curves
from effocc_ros.training.ema import Ema
from effocc_ros.training.label_statistics import LabelStatistics
from effocc_ros.training.learner import Learner, StepResult
from effocc_ros.training.metrics import MetricsLog
from effocc_ros.training.preparation import Parts, prepare
from effocc_ros.training.processes import (
    first_only,
    gathered,
    highest_of_processes,
    start_fabric,
)
from effocc_ros.training.progress import Progress
from effocc_ros.training.run_folder import RunFolder, open_run_folder
from effocc_ros.training.run_state import RunState, load_state, save_state
from effocc_ros.training.saving import save_weights
from effocc_ros.training.schedule import learning_rate
from effocc_ros.training.stopping import Stopper
from effocc_ros.training.validation import Scores, validate


@dataclass(frozen=True)
class RunResult:
    """How a training ended.

    Attributes:
        folder: The run folder.
        steps: Optimizer steps done.
        finished: False when a signal stopped it; the same command goes on.
        signal: The signal, or 0.
        best: The highest mIoU of an evaluation, or -1 if there was none.
        scores: Those of the last evaluation, or None.
    """

    folder: Path
    steps: int
    finished: bool
    signal: int
    best: float
    scores: Scores | None


def train(config: TrainConfig) -> RunResult:
    """Train a network, or go on with it where the run folder says so.

    Raises:
        InputError: Something that the config names cannot be used, the folder is another
            training's, the loss is not finite, or a file cannot be written.
    """
    fabric = start_fabric(config)
    with ExitStack() as stack:
        stack.enter_context(first_only(fabric, open_run_folder(config)))
        folder = RunFolder(config.folder)
        state = load_state(folder.state)
        if state is not None and state.finished and not _goes_further(config, state):
            fabric.print(f"{folder.path}: this training is finished, after {state.step} steps")
            return RunResult(folder.path, state.step, True, 0, state.best, None)
        spent = 0.0 if state is None else state.seconds
        stopper = stack.enter_context(Stopper(60.0 * config.max_minutes, spent))
        parts = prepare(config, fabric, folder)
        trainer = _Trainer(config, fabric, folder, parts, stopper)
        return trainer.run(state)


class _Trainer:
    """The state of a training between two steps."""

    def __init__(
        self, config: TrainConfig, fabric: Fabric, folder: RunFolder, parts: Parts, stopper: Stopper
    ):
        self._config, self._fabric, self._folder = config, fabric, folder
        self._parts, self._stopper = parts, stopper
        self._optimizer = torch.optim.AdamW(
            parts.student.parameters(), lr=config.lr, weight_decay=config.weight_decay
        )
        self._ema = Ema(
            parts.student.network,
            start=config.ema_start,
            decay=config.ema_decay,
            ramp=config.ema_ramp,
        )
        self._step, self._seconds = 0, 0.0
        self._best, self._scores = -1.0, None
        self._constant: Scores | None = None
        self._validation_seconds = 0.0
        self._steps_per_epoch = len(parts.loader) // config.accumulate
        self._total = config.max_steps or config.epochs * self._steps_per_epoch or None

    def run(self, state: RunState | None) -> RunResult:
        if state is not None:
            self._restore(state)
        student, optimizer = self._fabric.setup(self._parts.student, self._optimizer)
        learner = Learner(
            self._fabric,
            student,
            optimizer,
            self._parts.objective,
            self._config,
            self._parts.network,
            self._parts.teacher,
        )
        shown = self._fabric.is_global_zero
        self._progress = Progress(self._config.name, self._step, self._total, shown)
        self._progress.say(self._parts.about)
        self._log: MetricsLog | None = None
        saved = time.monotonic()
        window = _Window(self._config.batch_size)
        batches = self._batches()
        finished = self._is_over()
        while not finished and not self._stopper.signal:
            started = time.perf_counter()
            parts = [next(batches) for _ in range(self._config.accumulate)]
            waited = time.perf_counter() - started
            lr = self._lr()
            parts = [part.to(self._fabric.device) for part in parts]
            result = learner.step(parts, self._step, lr)
            self._ema.update(self._parts.student.network)
            self._step += 1
            # All processes stop at the same step and see the same clock.
            signal, self._seconds = highest_of_processes(
                self._fabric, self._stopper.signal, self._stopper.seconds
            )
            self._stopper.signal = int(signal)
            window.add(result, waited, time.perf_counter() - started)
            self._tell(window, result, lr)
            finished = self._is_over()
            every = self._config.val_every
            if every and self._step % every == 0 and not finished:
                self._validate(learner)
            if not finished and self._checkpoint_is_due(saved):
                self._save(finished=False)
                saved = time.monotonic()
        if finished and not self._stopper.signal:
            self._validate(learner)
        finished = finished and not self._stopper.signal
        self._save(finished)
        self._progress.close()
        if self._log is not None:
            self._log.close()
        return RunResult(
            self._folder.path,
            self._step,
            finished,
            self._stopper.signal,
            self._best,
            self._scores,
        )
