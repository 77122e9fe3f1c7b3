# SPDX-License-Identifier: Apache-2.0
"""Learning rates, with numbers worked out by hand."""

import pytest

from effocc_ros.training.config import TrainConfig
from effocc_ros.training.schedule import learning_rate


def rate(step, *, steps_per_epoch=10, total_steps=100, time_share=0.0, **values):
    values = {"warmup_steps": 0, "lr": 4e-4, **values}
    config = TrainConfig(name="a", preset="lidar_tiny", **values)
    return learning_rate(
        config,
        step,
        steps_per_epoch=steps_per_epoch,
        total_steps=total_steps,
        time_share=time_share,
    )


@pytest.mark.parametrize(("step", "factor"), [(0, 0.001), (100, 0.5005), (200, 1.0), (900, 1.0)])
def test_the_warm_up_rises_linearly_from_a_thousandth(step, factor):
    found = rate(step, schedule="constant", warmup_steps=200)
    assert found == pytest.approx(4e-4 * factor)


@pytest.mark.parametrize(
    ("step", "factor"), [(0, 1.0), (29, 1.0), (30, 0.1), (49, 0.1), (50, 0.01)]
)
def test_the_step_schedule_takes_a_tenth_after_each_milestone(step, factor):
    assert rate(step, schedule="step", milestones=(3, 5)) == pytest.approx(4e-4 * factor)


@pytest.mark.parametrize(("step", "factor"), [(0, 1.0), (25, 0.8535534), (50, 0.5), (100, 0.0)])
def test_the_cosine_ends_at_0(step, factor):
    assert rate(step, schedule="cosine") == pytest.approx(4e-4 * factor, abs=1e-10)


def test_the_cosine_follows_the_clock_where_that_is_ahead():
    assert rate(25, schedule="cosine", time_share=0.5) == pytest.approx(2e-4)
    assert rate(75, schedule="cosine", time_share=0.5) == rate(75, schedule="cosine")
    assert rate(7, schedule="cosine", total_steps=None, time_share=0.5) == pytest.approx(2e-4)
    assert rate(7, schedule="cosine", total_steps=None, time_share=1.2) == 0.0
