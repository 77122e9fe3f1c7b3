# SPDX-License-Identifier: Apache-2.0
"""The learning rate of a step."""

import math

from effocc_ros.training.config import TrainConfig

STEP_FACTOR = 0.1
"""By which the step schedule multiplies at each milestone."""


def learning_rate(
    config: TrainConfig,
    step: int,
    *,
    steps_per_epoch: int,
    total_steps: int | None,
    time_share: float = 0.0,
) -> float:
    """Return the learning rate of an optimizer step.

    The warm-up is mmcv's: it scales what the schedule says, linearly from ``warmup_ratio``.

    Args:
        config: The training.
        step: Number of the step, from 0.
        steps_per_epoch: Optimizer steps of one pass over the data.
        total_steps: Number of steps of the training; None: it ends by time alone.
        time_share: Part of ``max_minutes`` that is over.
    """
    rate = config.lr
    if config.schedule == "step":
        epoch = step // steps_per_epoch
        rate *= STEP_FACTOR ** sum(epoch >= milestone for milestone in config.milestones)
    elif config.schedule == "cosine":
        step_share = step / total_steps if total_steps else 0.0
        # Whichever end comes first: on a slow machine that is the clock's.
        share = min(max(step_share, time_share), 1.0)
        rate *= 0.5 * (1.0 + math.cos(math.pi * share))
    if step < config.warmup_steps:
        rate *= 1.0 - (1.0 - step / config.warmup_steps) * (1.0 - config.warmup_ratio)
    return rate
