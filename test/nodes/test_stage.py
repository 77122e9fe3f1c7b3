# SPDX-License-Identifier: Apache-2.0
"""A slow stage sees the newest item; nobody waits for it, and nothing ends it."""

import threading

import pytest
from helpers.waiting import wait_until

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from effocc_ros.nodes.stage import Durations, Stage


def test_items_that_wait_are_replaced_by_newer_ones_and_counted():
    begun, go_on, handled = threading.Event(), threading.Event(), []

    def handle(item):
        begun.set()
        go_on.wait(30)
        handled.append(item)

    stage = Stage("slow", handle, pytest.fail)
    stage.start()
    assert stage.put(1) is None
    assert begun.wait(30)
    assert [stage.put(item) for item in (2, 3, 4)] == [None, 2, 3]
    assert stage.full
    go_on.set()
    stage.close()
    assert handled == [1, 4]
    assert stage.superseded == 2


def test_a_failure_is_told_and_the_next_item_is_handled():
    handled, failures = [], []

    def handle(item):
        handled.append(item)
        if item == "bad":
            raise ValueError(item)

    stage = Stage("careless", handle, failures.append)
    stage.start()
    stage.put("bad")
    wait_until(lambda: failures, "the failure")
    stage.put("good")
    stage.close()
    assert handled == ["bad", "good"]
    assert [str(failure) for failure in failures] == ["bad"]


def test_between_two_items_it_looks_around_and_what_waits_may_be_taken_away():
    looks, handled = [], []
    stage = Stage("idle", handled.append, pytest.fail, lambda: looks.append(1), idle=0.001)
    stage.put(1)
    assert stage.take() == 1
    assert stage.take() is None
    stage.start()
    wait_until(lambda: len(looks) > 3, "looks")
    stage.close()
    assert handled == []


def test_durations_have_medians_and_percentiles():
    durations = Durations()
    assert durations.percentile("latency", 0.5) is None
    for value in range(101):
        durations.add(latency=float(value))
    assert durations.median("latency") == 50.5  # of the last hundred
    assert durations.percentile("latency", 0.95) == 95.0
