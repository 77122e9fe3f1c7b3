# SPDX-License-Identifier: Apache-2.0
"""One optimizer step: a batch in one or more parts, over one or more processes."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import nn

from effocc_ros.errors import InputError
from effocc_ros.networks.config import ModelConfig
from effocc_ros.networks.effocc import EffOcc, Outputs
from effocc_ros.training.batch import Batch
from effocc_ros.training.config import TrainConfig
from effocc_ros.training.distillation import labels_of
from effocc_ros.training.frozen import keep_frozen_statistics
from effocc_ros.training.objective import Objective, Task
from effocc_ros.training.precision import arithmetic
from effocc_ros.training.processes import gathered, sum_of_processes
from effocc_ros.training.student import inputs_for


@dataclass(frozen=True)
class StepResult:
    """What a step came to.

    Attributes:
        terms: Name of each term -> its value, weights included, over the whole batch.
        gradient: L2 norm of the gradient before it was clipped.
    """

    terms: dict[str, float]
    gradient: float

    @property
    def loss(self) -> float:
        """The sum of all terms."""
        return math.fsum(self.terms.values())


class Learner:
    """Takes optimizer steps.

    Every term of the loss is a sum over the whole batch, divided by an amount that depends on the
    labels alone (:meth:`Objective.amounts`). The amounts of all parts and processes are added up
    before anything is computed, so the gradient is that of the batch in one piece, however it is
    cut. Batch normalisation alone looks at the pieces.

    Args:
        fabric: The processes.
        student: What :meth:`Fabric.setup` gave for a :class:`Student`.
        optimizer: Likewise.
        objective: The loss.
        config: The training.
        network: Preset of the network that learns.
        teacher: A frozen network, or None.
    """

    def __init__(
        self,
        fabric: Fabric,
        student: nn.Module,
        optimizer: torch.optim.Optimizer,
        objective: Objective,
        config: TrainConfig,
        network: ModelConfig,
        teacher: EffOcc | None = None,
    ):
        self._fabric, self._student, self._optimizer = fabric, student, optimizer
        self._objective, self._config, self._network = objective, config, network
        self._teacher = teacher
        self.train_mode()

    def train_mode(self) -> None:
        """Put the networks into the modes of training."""
        self._student.train()
        keep_frozen_statistics(self._student, all_norms=self._config.freeze_norm)
        if self._teacher is not None:
            self._teacher.train(self._config.teacher_train_mode)

    def step(self, batches: Sequence[Batch], step: int, lr: float) -> StepResult:
        """Learn from one batch.

        Args:
            batches: The parts of the batch that are this process's, on the device.
            step: Number of the step.
            lr: The learning rate.

        Raises:
            InputError: The loss or its gradient is not finite; nothing was learned from it.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        tasks = [self._task(batch, step) for batch in batches]
        amounts = _added(self._objective.amounts(task, self._network.flow) for task in tasks)
        amounts = sum_of_processes(self._fabric, amounts)
        divisors = {name: torch.where(n > 0, n, 1.0) for name, n in amounts.items()}
        found = []
        for number, task in enumerate(tasks):
            waits = number < len(tasks) - 1
            with self._fabric.no_backward_sync(self._student, enabled=waits):
                with arithmetic(self._config.precision, self._fabric.device):
                    inputs = inputs_for(self._network, task.batch.inputs).keywords()
                    outputs = self._student(columns=task.columns, **inputs)
                sums = self._objective.terms(outputs, task)
                terms = {name: value / divisors[name] for name, value in sums.items()}
                # DistributedDataParallel takes the mean of the processes' gradients; the terms
                # are to be added up.
                self._fabric.backward(sum(terms.values()) * self._fabric.world_size)
            found.append({name: value.detach() for name, value in terms.items()})
        terms = sum_of_processes(self._fabric, _added(found))
        norm = self._fabric.clip_gradients(
            self._student, self._optimizer, max_norm=self._config.clip, error_if_nonfinite=False
        )
        names, values = list(terms), torch.stack([*terms.values(), norm]).tolist()
        result = StepResult(dict(zip(names, values[:-1], strict=True)), values[-1])
        self._check_finite(result, batches, step)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return result

    def _task(self, batch: Batch, step: int) -> Task:
        columns = self._objective.columns_of(batch, step)
        if self._teacher is None or not self._config.asks_teacher:
            return self._objective.task(batch, columns)
        guessed = None
        with torch.no_grad(), arithmetic(self._config.precision, self._fabric.device):
            outputs = self._teacher(columns=columns, **batch.inputs.keywords())
            if not batch.shown.all():
                guessed = labels_of(self._teacher, outputs)
        outputs = Outputs(*(None if value is None else value.float() for value in outputs))
        return self._objective.task(batch, columns, outputs, guessed)

    def _check_finite(self, result: StepResult, batches: Sequence[Batch], step: int) -> None:
        if math.isfinite(result.loss) and math.isfinite(result.gradient):
            return
        self._optimizer.zero_grad(set_to_none=True)
        mine = [token for batch in batches for token in batch.tokens]
        tokens = [token for tokens in gathered(self._fabric, mine) for token in tokens]
        terms = ", ".join(f"{name} {value:g}" for name, value in result.terms.items())
        raise InputError(
            f"step {step}, samples {', '.join(tokens)}",
            found=f"{terms}, gradient {result.gradient:g}",
            expected="finite numbers",
            do="Look at these samples, or lower lr; the last checkpoint is still good",
            reason="not_finite",
        )


def _added(dictionaries: Iterable[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    first, *others = dictionaries
    return {name: sum((other[name] for other in others), first[name]) for name in first}
