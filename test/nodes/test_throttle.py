# SPDX-License-Identifier: Apache-2.0
"""Lines that come too often are held back and counted."""

import pytest

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from effocc_ros.nodes.throttle import Throttle


def test_the_first_time_is_let_through():
    assert Throttle(5.0).allow("CAM_FRONT", now=100.0) == 0


def test_a_repetition_within_the_period_is_held_back():
    throttle = Throttle(5.0)
    throttle.allow("CAM_FRONT", now=100.0)
    assert throttle.allow("CAM_FRONT", now=104.9) is None


def test_after_the_period_the_count_of_the_held_back_is_told_once():
    throttle = Throttle(5.0)
    for now in (100.0, 101.0, 102.0):
        throttle.allow("CAM_FRONT", now)
    assert throttle.allow("CAM_FRONT", now=105.0) == 2
    assert throttle.allow("CAM_FRONT", now=110.0) == 0


def test_one_source_does_not_silence_another():
    throttle = Throttle(5.0)
    throttle.allow("CAM_FRONT", now=100.0)
    assert throttle.allow("CAM_BACK", now=100.1) == 0
