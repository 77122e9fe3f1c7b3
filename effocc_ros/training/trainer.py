# SPDX-License-Identifier: Apache-2.0
"""The training loop: `train(config)`."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from itertools import islice
from pathlib import Path

import torch
from lightning_fabric import Fabric

from effocc_ros.networks.effocc import EffOcc
from effocc_ros.training.batch import Batch
from effocc_ros.training.config import TrainConfig
from effocc_ros.training.curves import write_curves
from effocc_ros.training.ema import Ema
from effocc_ros.training.learner import Learner
from effocc_ros.training.logit_adjustment import adjusted
from effocc_ros.training.metrics import MetricsLog, Window
from effocc_ros.training.preparation import Parts, prepare
from effocc_ros.training.processes import (
    first_only,
    gathered,
    highest_of_processes,
    start_fabric,
)
from effocc_ros.training.progress import Progress
from effocc_ros.training.run_folder import RunFolder, open_run_folder
from effocc_ros.training.run_result import RunResult
from effocc_ros.training.run_state import RunState, load_state, save_state
from effocc_ros.training.saving import save_weights
from effocc_ros.training.schedule import learning_rate
from effocc_ros.training.stopping import Stopper
from effocc_ros.training.validation import validate


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
        done = state is not None and state.finished and folder.last.is_file()
        if done and state.goal == _goal(config):
            rank = fabric.global_rank
            return RunResult(folder.path, state.step, True, 0, state.best, None, rank)
        spent = 0.0 if state is None else state.seconds
        stopper = stack.enter_context(Stopper(60.0 * config.max_minutes, spent))
        parts = prepare(config, fabric, folder)
        trainer = _Trainer(config, fabric, folder, parts, stopper)
        return trainer.run(state)


class _Trainer:
    """The state of a training between two steps."""

    def __init__(
        self,
        config: TrainConfig,
        fabric: Fabric,
        folder: RunFolder,
        parts: Parts,
        stopper: Stopper,
    ):
        self._config, self._fabric, self._folder = config, fabric, folder
        self._parts, self._stopper = parts, stopper
        self._optimizer = torch.optim.AdamW(
            [each for each in parts.student.parameters() if each.requires_grad],
            lr=config.lr,
            weight_decay=config.weight_decay,
        )
        self._ema = Ema(
            parts.student.network,
            start=config.ema_start,
            decay=config.ema_decay,
            ramp=config.ema_ramp,
        )
        self._step, self._seconds, self._saved_at, self._judged_at = 0, 0.0, 0.0, -1
        self._best, self._scores, self._constant = -1.0, None, None
        self._judging_seconds = 0.0
        self._steps_per_epoch = max(len(parts.loader) // config.accumulate, 1)
        self._total = config.max_steps or config.epochs * self._steps_per_epoch or None
        self._log: MetricsLog | None = None
        self._terms: tuple[str, ...] = ()
        self._begun = 0

    def run(self, state: RunState | None) -> RunResult:
        """Train until the end, or until a signal comes."""
        if state is not None:
            self._restore(state)
        student, optimizer = self._fabric.setup(self._parts.student, self._optimizer)
        parts, config = self._parts, self._config
        self._learner = Learner(
            self._fabric,
            student,
            optimizer,
            parts.objective,
            config,
            parts.network,
            parts.teacher,
        )
        self._progress = Progress(
            config.name, self._step, self._total, self._fabric.is_global_zero
        )
        self._progress.say(parts.about)
        try:
            finished = self._loop()
            if finished:
                self._judge()
            self._save(finished)
        finally:
            self._close()
        return RunResult(
            folder=self._folder.path,
            steps=self._step,
            finished=finished,
            signal=self._stopper.signal,
            best=self._best,
            scores=self._scores,
            rank=self._fabric.global_rank,
        )

    def _close(self) -> None:
        self._progress.close()
        if self._log is not None:
            self._log.close()
        for loader in (self._parts.loader, self._parts.validation):
            if loader is not None:
                loader.close()

    def _loop(self) -> bool:
        """Take steps; return True at the end, False after a signal."""
        config, device = self._config, self._fabric.device
        window = Window(config.batch_size)
        batches = self._batches()
        while not self._is_over():
            if self._stopper.signal:
                return False
            started = time.perf_counter()
            parts = [next(batches) for _ in range(config.accumulate)]
            waited = time.perf_counter() - started
            lr = self._learning_rate()
            result = self._learner.step([part.to(device) for part in parts], self._step, lr)
            self._ema.update(self._parts.student.network)
            self._step += 1
            # All processes stop at the same step, and their clock is the slowest one's.
            signal, self._seconds = highest_of_processes(
                self._fabric, self._stopper.signal, self._stopper.seconds
            )
            self._stopper.signal = int(signal)
            self._terms = tuple(result.terms)
            window.add(result, waited, time.perf_counter() - started)
            self._tell(window, lr)
            if config.val_every and self._step % config.val_every == 0 and not self._is_over():
                self._judge()
            if self._checkpoint_is_due():
                self._save(finished=False)
        return True

    def _batches(self) -> Iterator[Batch]:
        """Yield this process's parts of batches, from the present step on, without end."""
        epoch, done = divmod(self._step, self._steps_per_epoch)
        per_epoch = self._steps_per_epoch * self._config.accumulate
        start = done * self._config.accumulate
        while True:
            yield from islice(self._parts.loader.batches(epoch, start), per_epoch - start)
            epoch, start = epoch + 1, 0

    def _learning_rate(self) -> float:
        return learning_rate(
            self._config,
            self._step,
            steps_per_epoch=self._steps_per_epoch,
            total_steps=self._total,
            time_share=self._stopper.share(self._seconds + self._judging_seconds),
        )

    def _is_over(self) -> bool:
        """Whether all steps are done, or no more time is left than the last evaluation takes."""
        if self._total is not None and self._step >= self._total:
            return True
        return self._stopper.share(self._seconds + self._judging_seconds) >= 1.0

    def _checkpoint_is_due(self) -> bool:
        config = self._config
        if config.checkpoint_every and self._step % config.checkpoint_every == 0:
            return True
        minutes = (self._seconds - self._saved_at) / 60.0
        return bool(config.checkpoint_minutes) and minutes >= config.checkpoint_minutes

    def _tell(self, window: Window, lr: float) -> None:
        if not self._fabric.is_global_zero:
            return
        numbers = window.numbers()
        shown = {
            "loss": numbers["loss"],
            "lr": lr,
            "samples/s": numbers["samples_per_second"],
            "wait": numbers["data_wait"],
        }
        self._progress.step(**shown)
        if self._step % self._config.log_every == 0 or self._is_over():
            self._write({"lr": lr, **numbers})
            self._progress.row(self._step, **shown)
            window.clear()

    def _write(self, row: dict[str, float]) -> None:
        """Add a row to the metrics."""
        if not self._fabric.is_global_zero:
            return
        if self._log is None:
            self._log = MetricsLog(self._folder.metrics, self._terms, self._begun)
        place = {
            "step": self._step,
            "epoch": self._step // self._steps_per_epoch,
            "minutes": self._seconds / 60.0,
        }
        self._log.write(place | row)

    def _judge(self) -> None:
        """Score the averaged weights, and keep them if they are the best."""
        if not self._config.val_split or self._judged_at == self._step:
            return
        started = time.monotonic()
        self._share_averages()
        first = self._constant is None
        with self._as_saved() as network:
            self._scores, constant = validate(
                network,
                self._parts.validation.batches(0) if self._parts.validation else (),
                self._parts.objective.classes,
                self._fabric,
                self._config.precision,
                self._parts.statistics.majority if first else None,
            )
        self._constant = constant or self._constant
        self._judged_at = self._step
        (self._judging_seconds,) = highest_of_processes(self._fabric, time.monotonic() - started)
        self._write(
            {"val_miou": self._scores.miou, "val_geometric_iou": self._scores.geometric_iou}
        )
        self._progress.say(
            f"step {self._step}: {self._config.val_split}, {self._scores.frames} samples: "
            f"{self._scores}; a guess without sensors: {self._constant}"
        )
        if self._scores.miou > self._best:
            self._best = self._scores.miou
            self._save_weights(self._folder.best)

    def _share_averages(self) -> None:
        """Give all processes the first one's statistics of batch normalisations."""
        if self._fabric.world_size > 1:
            for buffer in self._ema.network.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def _save(self, finished: bool) -> None:
        random = gathered(self._fabric, torch.get_rng_state())
        self._saved_at = self._seconds
        if not self._fabric.is_global_zero:
            return
        state = RunState(
            step=self._step,
            seconds=self._stopper.seconds,
            finished=finished,
            best=self._best,
            student=self._parts.student.state_dict(),
            ema=self._ema.network.state_dict(),
            ema_updates=self._ema.updates,
            optimizer=self._optimizer.state_dict(),
            random=random,
            goal=_goal(self._config),
        )
        # The state comes last: a training whose state says that it is finished has its weights.
        self._save_weights(self._folder.last)
        write_curves(self._folder.curves, self._folder.metrics, self._config.name)
        save_state(self._folder.state, state)

    def _as_saved(self) -> AbstractContextManager[EffOcc]:
        """The averaged network as it is judged and saved."""
        class_weights = self._parts.objective.class_weights
        return adjusted(self._ema.network, class_weights, self._config.logit_adjustment)

    def _save_weights(self, path: Path) -> None:
        if not self._fabric.is_global_zero:
            return
        judged = self._judged_at == self._step
        with self._as_saved() as network:
            save_weights(
                path,
                self._config,
                self._parts.network,
                network,
                step=self._step,
                samples=self._parts.loader.plan.count,
                scores=self._scores if judged else None,
                constant=self._constant,
            )

    def _restore(self, state: RunState) -> None:
        self._step, self._seconds, self._best = state.step, state.seconds, state.best
        self._begun, self._saved_at = state.step, state.seconds
        self._parts.student.load_state_dict(state.student)
        self._ema.network.load_state_dict(state.ema)
        self._ema.updates = state.ema_updates
        self._optimizer.load_state_dict(state.optimizer)
        rank = self._fabric.global_rank
        if rank < len(state.random):
            torch.set_rng_state(state.random[rank])


def _goal(config: TrainConfig) -> tuple[int | float | str, ...]:
    """Return what a finished training was to come to; with another goal it goes on."""
    end = config.max_steps, config.epochs, config.max_minutes
    weights = config.half_weights, config.logit_adjustment
    return *end, *weights, config.training_data, config.licence, config.notes
