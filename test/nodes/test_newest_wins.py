"""A slow worker sees the newest item; nobody waits for it."""

import threading

import pytest

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from effocc_ros.nodes.newest_wins import NewestWins


def test_items_that_wait_are_replaced_by_newer_ones_and_counted():
    begun, go_on, handled = threading.Event(), threading.Event(), []

    def handle(item):
        begun.set()
        go_on.wait(30)
        handled.append(item)

    thread = NewestWins(handle, pytest.fail, "slow")
    thread.put(1)
    assert begun.wait(30)
    for item in (2, 3, 4):
        thread.put(item)
    go_on.set()
    thread.close()
    assert handled == [1, 4]
    assert thread.superseded == 2


def test_a_failure_is_told_and_the_next_item_is_handled():
    handled, failures = [], []

    def handle(item):
        handled.append(item)
        if item == "bad":
            raise ValueError(item)

    thread = NewestWins(handle, failures.append, "careless")
    thread.put("bad")
    while not failures:
        threading.Event().wait(0.001)
    thread.put("good")
    thread.close()
    assert handled == ["bad", "good"]
    assert [str(failure) for failure in failures] == ["bad"]
