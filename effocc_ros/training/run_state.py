# SPDX-License-Identifier: Apache-2.0
"""All that a training needs to go on as if it had never stopped."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from effocc_ros.errors import InputError
from effocc_ros.files import whole_file


@dataclass(frozen=True)
class RunState:
    """The state after an optimizer step.

    The place in the data follows from the step: the order of an epoch depends on seed and epoch
    alone.

    Attributes:
        step: Optimizer steps done.
        seconds: Wall time that they took.
        finished: Whether the training came to its end.
        best: The highest mIoU so far; -1 before any evaluation.
        student: State dict of network and adapters.
        ema: State dict of the averaged network.
        ema_updates: Its updates.
        optimizer: State dict of the optimizer.
        random: State of torch's random numbers in each process.
        goal: When it was to end, and the fields that shape the weights as they are saved.
    """

    step: int
    seconds: float
    finished: bool
    best: float
    student: dict[str, Tensor]
    ema: dict[str, Tensor]
    ema_updates: int
    optimizer: dict[str, Any]
    random: list[Tensor]
    goal: tuple[int | float | str, ...] = ()


def save_state(path: Path, state: RunState) -> None:
    """Write a state, whole or not at all.

    Raises:
        InputError: It cannot be written, for want of room for example.
    """
    values = {name: getattr(state, name) for name in RunState.__annotations__}
    # torch's own writer says nothing useful of a full disk; bytes in memory do.
    buffer = io.BytesIO()
    torch.save(values, buffer)
    with whole_file(path) as partial:
        partial.write_bytes(buffer.getbuffer())


def load_state(path: Path) -> RunState | None:
    """Read a state; None if there is none.

    Raises:
        InputError: The file is broken.
    """
    if not path.is_file():
        return None
    try:
        return RunState(**torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:
        raise InputError(
            f"training state {path}",
            found=f"a broken file ({' '.join(str(error).split())[:200]})",
            expected="what `effocc train` wrote there",
            do="Remove the run folder and start again",
            reason="bad_state",
        ) from error
