"""Diagnostics tell a person what is wrong, and a program every number."""

import pytest

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from diagnostic_msgs.msg import DiagnosticStatus

from effocc_ros.nodes.diagnostics import Snapshot, diagnostics_message
from effocc_ros.nodes.worker import WorkerReport
from effocc_ros.stream import InputStatistics, StreamStatistics

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
NOW = 1000.0


def camera(rate=12.0, age=0.05, count=100):
    return InputStatistics(count=count, rate=rate, last_stamp=1, last_arrival=NOW - age)


def statuses(worker=None, inputs=None, expected=("CAM_FRONT", "LIDAR_TOP"), **changes):
    """Return the statuses by the part of the node that they are about."""
    inputs = inputs or {"CAM_FRONT": camera(), "LIDAR_TOP": camera(rate=20.0)}
    snapshot = Snapshot(
        statistics=StreamStatistics(
            inputs=inputs,
            frames_in=10,
            frames_out=8,
            drops={"superseded": 2},
            rejected={"CAM_FRONT.corrupt_image": 1},
        ),
        worker=worker or WorkerReport(frames_out=8, handled_until=77, stages={"network": 41.23}),
        model={"model": "fusion_r18", "device": "cuda:0"},
        memory={"allocated_mib": 812.4},
        expected=expected,
        now=NOW,
        **changes,
    )
    message = diagnostics_message(snapshot, "/occ_node", stamp=5_000_000_001)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (5, 1)
    return {status.name: status for status in message.status}


def values(status):
    return {pair.key: pair.value for pair in status.values}


def test_a_node_that_does_well_says_ok_and_tells_its_numbers():
    told = statuses()
    assert {status.level for status in told.values()} == {OK}
    frames = values(told["/occ_node: frames"])
    assert frames["frames_in"] == "10"
    assert frames["frames_out"] == "8"
    assert frames["handled_until"] == "77"
    assert frames["drop.superseded"] == "2"
    assert values(told["/occ_node: stages"]) == {"network_ms": "41.2"}
    assert values(told["/occ_node: device"]) == {"allocated_mib": "812"}
    inputs = values(told["/occ_node: inputs"])
    assert inputs["LIDAR_TOP.rate_hz"] == "20.00"
    assert inputs["CAM_FRONT.age_s"] == "0.050"
    assert inputs["rejected.CAM_FRONT.corrupt_image"] == "1"


@pytest.mark.parametrize(("overruns", "level"), [(2, OK), (3, WARN), (30, ERROR)])
def test_consecutive_overruns_warn_and_then_alarm(overruns, level):
    worker = WorkerReport(frames_out=50, consecutive_overruns=overruns)
    assert statuses(worker)["/occ_node: frames"].level == level


def test_the_last_failure_is_an_error_in_words():
    status = statuses(WorkerReport(last_failure="CUDA out of memory"))["/occ_node: frames"]
    assert (status.level, status.message) == (ERROR, "CUDA out of memory")


def test_before_the_first_frame_it_warns():
    assert statuses(WorkerReport())["/occ_node: frames"].level == WARN


def test_a_camera_that_stopped_is_named():
    inputs = {"CAM_FRONT": camera(age=1.5), "LIDAR_TOP": camera(rate=20.0)}
    status = statuses(inputs=inputs)["/occ_node: inputs"]
    assert (status.level, status.message) == (WARN, "silent: CAM_FRONT")


def test_a_slow_camera_is_not_taken_for_a_dead_one():
    inputs = {"CAM_FRONT": camera(rate=0.5, age=4.0), "LIDAR_TOP": camera(rate=20.0)}
    assert statuses(inputs=inputs)["/occ_node: inputs"].level == OK


def test_no_input_at_all_is_an_error():
    silent = {"CAM_FRONT": camera(count=0), "LIDAR_TOP": camera(count=0)}
    status = statuses(inputs=silent)["/occ_node: inputs"]
    assert (status.level, status.message) == (ERROR, "silent: CAM_FRONT, LIDAR_TOP")


def test_an_input_that_the_model_does_not_use_may_be_silent():
    inputs = {"CAM_FRONT": camera(), "LIDAR_TOP": camera(count=0)}
    status = statuses(inputs=inputs, expected=("CAM_FRONT",))["/occ_node: inputs"]
    assert status.level == OK
    assert values(status)["LIDAR_TOP.count"] == "0"


def test_bad_messages_since_the_last_time_warn():
    status = statuses(problems=("CAM_FRONT: corrupt_image",))["/occ_node: inputs"]
    assert (status.level, status.message) == (WARN, "CAM_FRONT: corrupt_image")
