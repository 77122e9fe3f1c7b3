# SPDX-License-Identifier: Apache-2.0
"""How long trainings take, so that a time budget can be divided over them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from effocc_ros.training.config import TrainConfig

_CALLS = ((2, 1), (2, 1), (10, 1), (1, 9))
"""Further steps and judged samples of each call; the first one fills caches and is not timed."""


@dataclass(frozen=True)
class Speed:
    """What a training costs.

    Attributes:
        start: Seconds until the first step, and after the last one.
        step: Seconds of a step.
        frame: Seconds of a sample of the evaluation.
    """

    start: float
    step: float
    frame: float


def measure_speed(
    config: TrainConfig,
    train: Callable[[TrainConfig], object],
    clock: Callable[[], float] = time.perf_counter,
) -> Speed:
    """Train for a few steps, several times.

    Args:
        config: The training; its folder is left behind, with a last checkpoint.
        train: Trains to ``max_steps`` and judges ``val_limit`` samples.
        clock: Seconds.
    """
    done, walls = 0, []
    for steps, frames in _CALLS:
        done += steps
        started = clock()
        train(replace(config, max_steps=done, val_limit=frames))
        walls.append(clock() - started)
    return solve_speed(_CALLS[1:], walls[1:])


def solve_speed(calls: Sequence[tuple[int, int]], walls: Sequence[float]) -> Speed:
    """Return the costs of which wall = start + steps * step + frames * frame.

    On a busy machine noise may make a cost negative: it counts as 0, but a step costs at least
    half of what it would if the longest call had been steps alone.

    Args:
        calls: Three pairs of steps and frames.
        walls: Seconds of each.
    """
    terms = np.array([(1.0, steps, frames) for steps, frames in calls])
    start, step, frame = np.linalg.solve(terms, np.asarray(walls, float)).clip(min=0.0)
    steps, wall = max((steps, wall) for (steps, _), wall in zip(calls, walls, strict=True))
    return Speed(float(start), float(max(step, 0.5 * wall / steps)), float(frame))
