# SPDX-License-Identifier: Apache-2.0
"""A car whose sensors fail, over DDS: short forms of what `make soak` does for minutes."""

from collections.abc import Iterator

import pytest
from helpers import faults
from helpers.bench import Bench
from helpers.faults import Outcome
from helpers.ros_processes import ros_stage

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def bench(tiny_models, tmp_path_factory) -> Iterator[Bench]:
    """Give a node that a car feeds; the tests here share it."""
    folder = tmp_path_factory.mktemp("faults")
    with ros_stage(folder) as stage:
        yield Bench(stage, folder, tiny_models["fusion"], strict=False, diagnostics_period=0.2)


def check(outcome: Outcome) -> None:
    assert outcome.good, outcome


@pytest.mark.parametrize(
    ("source", "mode"), [("CAM_FRONT", "fusion"), ("LIDAR_TOP", "vision"), ("tf", "fusion")]
)
def test_frames_go_on_without_a_sensor_that_dies_and_with_it_once_it_is_back(bench, source, mode):
    check(faults.sensor_dies(bench, source, mode))


def test_30_percent_of_the_messages_lost(bench):
    check(faults.messages_lost(bench, seed=1, seconds=1.2))


def test_messages_that_overtake_each_other(bench):
    check(faults.messages_shuffled(bench, seed=2, seconds=1.2))


def test_one_stamp_makes_one_frame_though_its_sweep_comes_again_late(bench):
    check(faults.sweeps_twice(bench, seed=3, seconds=1.2))


def test_corrupted_fields(bench):
    check(faults.fields_corrupted(bench, seed=4, seconds=1.5))


def test_parameters_that_change_at_random(bench):
    check(faults.parameters_at_random(bench, seed=5))


def test_a_device_that_runs_out_of_memory(bench):
    check(faults.device_out_of_memory(bench))


def test_a_clock_that_stands_still(bench):
    check(faults.clock_pauses(bench))


def test_lifecycle_loops(bench):
    check(faults.lifecycle_loops(bench, count=2))
