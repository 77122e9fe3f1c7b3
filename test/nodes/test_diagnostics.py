# SPDX-License-Identifier: Apache-2.0
"""Diagnostics tell a person what is wrong, and a program every number."""

from dataclasses import replace

import pytest

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from diagnostic_msgs.msg import DiagnosticStatus

from effocc_ros.nodes.diagnostics import Snapshot, diagnostics_message
from effocc_ros.nodes.measures import RecentShare
from effocc_ros.nodes.pipeline import PipelineReport
from effocc_ros.stream import InputStatistics, StreamStatistics

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
NOW = 1000.0


def sensor(rate=12.0, age=0.05, count=100, **changes):
    known = InputStatistics(count, rate, last_stamp=1, last_arrival=NOW - age, period=1 / rate)
    return replace(known, **changes)


SENSORS = {"CAM_FRONT": sensor(), "LIDAR_TOP": sensor(rate=20.0)}


def pipeline(**changes):
    report = PipelineReport(
        frames_out=8,
        last_published=NOW - 0.1,
        stages={"network": 41.23},
        latency_p50=120.0,
        latency_p95=180.04,
    )
    return replace(report, **changes)


def statuses(made=None, inputs=None, waiting=None, **changes):
    """Return the statuses by the part of the node that they are about."""
    settings = {
        "statistics": StreamStatistics(
            inputs=inputs or SENSORS,
            frames_in=10,
            frames_out=8,
            drops={"superseded": 2},
            rejected={"CAM_FRONT.corrupt_image": 1, "tf.tf_loop": 3},
            reference_period=0.05,
            **(waiting or {}),
        ),
        "pipeline": made or pipeline(),
        "model": {"model": "fusion_r18", "device": "cuda:0"},
        "trained": True,
        "memory": {"allocated_mib": 812.4},
        "expected": ("CAM_FRONT", "LIDAR_TOP"),
        "now": NOW,
        "since": NOW - 500.0,
    }
    snapshot = Snapshot(**{**settings, **changes})
    message = diagnostics_message(snapshot, "/occ_node", stamp=5_000_000_001)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (5, 1)
    return {status.name.removeprefix("/occ_node: "): status for status in message.status}


def values(status):
    return {pair.key: pair.value for pair in status.values}


def said(status):
    return status.level, status.message


def test_a_node_that_does_well_says_ok_and_tells_its_numbers():
    told = statuses(
        inputs={**SENSORS, "CAM_FRONT": sensor(distance=0.004, worst_distance=0.0112)},
        lost={"LIDAR_TOP": 3},
    )
    assert {status.level for status in told.values()} == {OK}
    assert list(told) == [
        "output",
        "input CAM_FRONT",
        "input LIDAR_TOP",
        "input tf",
        "stages",
        "device",
    ]
    output = values(told["output"])
    for key, value in (
        ("frames_in", "10"),
        ("frames_out", "8"),
        ("drop.superseded", "2"),
        ("latency_p50_ms", "120.0"),
        ("latency_p95_ms", "180.0"),
        ("output_age_s", "0.100"),
        ("expected_period_s", "0.050"),
    ):
        assert output[key] == value
    assert values(told["stages"]) == {"network_ms": "41.2"}
    assert values(told["device"]) == {"allocated_mib": "812"}
    assert values(told["input LIDAR_TOP"]) == {
        "count": "100",
        "rate_hz": "20.00",
        "age_s": "0.050",
        "lost": "3",
    }
    camera = values(told["input CAM_FRONT"])
    assert camera["rejected.CAM_FRONT.corrupt_image"] == "1"
    assert (camera["distance_ms"], camera["worst_distance_ms"]) == ("4.0", "11.2")
    assert values(told["input tf"]) == {"rejected.tf.tf_loop": "3"}


def test_an_input_that_loses_many_messages_warns():
    shares = {"CAM_FRONT": 0.2, "LIDAR_TOP": 0.05, "tf": 0.5}
    lost = {"CAM_FRONT": 9, "CAM_FRONT camera_info": 4}
    told = statuses(lost_shares=shares, lost=lost)
    camera = told["input CAM_FRONT"]
    assert camera.level == WARN
    assert "20 % of the last messages never came" in camera.message
    assert (values(camera)["lost"], values(camera)["lost_camera_info"]) == ("9", "4")
    assert told["input LIDAR_TOP"].level == OK
    assert told["input tf"].level == WARN


def test_a_share_is_that_of_the_last_minute(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("effocc_ros.nodes.measures.time.monotonic", lambda: now[0])
    share = RecentShare()
    assert share.of(100, 90) == 0.0, "what was before it was asked first is not recent"
    now[0] += 30
    assert share.of(200, 120) == 0.3
    now[0] += 59
    assert share.of(300, 120) == 0.0
    now[0] += 1
    assert share.of(5, 120) == 0.0, "counted anew"


@pytest.mark.parametrize(("overruns", "level"), [(2, OK), (3, WARN), (30, ERROR)])
def test_consecutive_overruns_warn_and_then_alarm(overruns, level):
    assert statuses(pipeline(consecutive_overruns=overruns))["output"].level == level


def test_the_last_failure_is_an_error_in_words():
    output = statuses(pipeline(last_failure="CUDA out of memory"))["output"]
    assert said(output) == (ERROR, "CUDA out of memory")


def test_before_the_first_frame_it_warns_and_after_ten_seconds_alarms():
    early = statuses(PipelineReport(), since=NOW - 0.5)["output"]
    assert said(early) == (WARN, "nothing published yet for 0.5 s")
    assert statuses(PipelineReport(), since=NOW - 11.0)["output"].level == ERROR


@pytest.mark.parametrize(("age", "level"), [(0.9, OK), (1.5, WARN), (3600.0, ERROR)])
def test_an_output_that_stopped_is_told_by_its_age(age, level):
    output = statuses(pipeline(last_published=NOW - age), since=NOW - 9000.0)["output"]
    assert output.level == level


@pytest.mark.parametrize("slow", [{"interval": 5.0}, {"made": pipeline(stages={"network": 5e3})}])
def test_an_output_that_is_meant_to_be_slow_is_not_late(slow):
    late = NOW - 20.0
    made = replace(slow.pop("made", pipeline()), last_published=late)
    assert statuses(made, **slow)["output"].level == OK


def test_a_frame_that_waits_for_tf_is_named():
    waiting = {"waiting": 3, "waiting_since": NOW - 4.0, "waiting_for": "tf"}
    told = statuses(pipeline(last_published=NOW - 5.0), waiting=waiting)
    text = "nothing published for 5.0 s: a frame has waited 4.0 s for tf"
    assert said(told["output"]) == (WARN, text)
    assert said(told["input tf"]) == (WARN, "a frame has waited 4.0 s for tf")


def test_dropped_frames_an_untrained_model_and_a_missing_clock_warn():
    assert said(statuses(drop_ratio=0.8)["output"]) == (WARN, "80 % of the frames were dropped")
    untrained = statuses(trained=False)["output"]
    assert untrained.level == WARN
    assert "UNTRAINED" in untrained.message
    assert "no /clock has come" in statuses(clock_stands=0.1, now=0.0)["output"].message


def test_a_clock_that_stands_still_makes_nothing_fine():
    told = statuses(clock_stands=14.2)
    assert said(told["output"]) == (WARN, "/clock has stood still for 14 s")
    assert said(told["input LIDAR_TOP"]) == (WARN, "not known: the clock stands still")


def test_views_that_fail_are_told():
    told = statuses(view_failure="InputError: no class 'road'")["output"]
    assert said(told) == (WARN, "views are not published: InputError: no class 'road'")


@pytest.mark.parametrize(
    ("count", "age", "text"),
    [
        (0, 0.0, "nothing usable has come: empty_frame_id"),
        (9, 4.4, "nothing usable for 4.4 s: empty_frame_id"),
    ],
)
def test_an_input_whose_messages_are_of_no_use_is_not_called_silent(count, age, text):
    problems = {"LIDAR_TOP": ("empty_frame_id", "silent")}
    inputs = {**SENSORS, "LIDAR_TOP": sensor(20.0, age, count)}
    assert statuses(inputs=inputs, problems=problems)["input LIDAR_TOP"].message == text
    silent = statuses(inputs=inputs, problems={"LIDAR_TOP": ("silent",)})["input LIDAR_TOP"]
    assert silent.message.startswith("silent")


def test_the_latency_of_an_old_recording_is_not_told():
    told = values(statuses(pipeline(latency_p50=9e9, latency_p95=9e9))["output"])
    assert "latency_p50_ms" not in told


def test_each_input_has_a_status_of_its_own():
    told = statuses(inputs={"CAM_FRONT": sensor(age=1.5), "LIDAR_TOP": sensor(rate=20.0)})
    assert said(told["input CAM_FRONT"]) == (WARN, "silent for 1.5 s")
    assert said(told["input LIDAR_TOP"]) == (OK, "receiving")
    assert statuses(inputs={"CAM_FRONT": sensor(age=20.0)})["input CAM_FRONT"].level == ERROR


def test_a_slow_camera_is_not_taken_for_a_dead_one():
    told = statuses(inputs={"CAM_FRONT": sensor(rate=0.5, age=4.0)})
    assert told["input CAM_FRONT"].level == OK


def test_an_input_that_died_after_a_few_messages_is_silent_though_its_rate_falls():
    few = sensor(rate=0.01, age=2.0, period=0.1)
    assert said(statuses(inputs={"CAM_FRONT": few})["input CAM_FRONT"])[0] == WARN


def test_an_input_of_which_nothing_came_is_told():
    never = {"CAM_FRONT": sensor(count=0)}
    assert statuses(inputs=never)["input CAM_FRONT"].level == ERROR
    assert statuses(inputs=never, since=NOW - 1.0)["input CAM_FRONT"].level == WARN


def test_an_input_that_the_model_does_not_use_may_be_silent():
    inputs = {"CAM_FRONT": sensor(), "LIDAR_TOP": sensor(count=0)}
    told = statuses(inputs=inputs, expected=("CAM_FRONT",))["input LIDAR_TOP"]
    assert said(told) == (OK, "not used")


def test_bad_messages_since_the_last_time_warn():
    told = statuses(problems={"CAM_FRONT": ("corrupt_image", "no_image"), "tf": ("tf_loop",)})
    assert said(told["input CAM_FRONT"]) == (WARN, "corrupt_image, no_image")
    assert said(told["input tf"]) == (WARN, "tf_loop")


def test_an_input_whose_publishers_cannot_be_heard_is_an_error_that_names_them():
    text = "driver sends sensor_msgs/msg/LaserScan, not sensor_msgs/msg/PointCloud2"
    told = statuses(mismatches={"LIDAR_TOP": text, "tf": "x offers another QoS"})
    assert said(told["input LIDAR_TOP"]) == (ERROR, f"silent: {text}")
    assert said(told["input tf"]) == (WARN, "x offers another QoS")


def test_what_took_part_in_the_last_frame_and_views_that_were_skipped_are_told():
    output = statuses(mode="lidar", used=("LIDAR_TOP",), views_superseded=3)["output"]
    for key, value in (("mode", "lidar"), ("inputs", "LIDAR_TOP"), ("views_superseded", "3")):
        assert values(output)[key] == value


def test_a_stand_by_sensor_and_an_unknown_ego_motion_warn():
    output = statuses(
        preferred="LIDAR_TOP", waiting={"reference": "CAM_FRONT", "ego_motion": False}
    )["output"]
    assert output.level == WARN
    assert "CAM_FRONT makes the frames, for LIDAR_TOP is silent" in output.message
    assert "ego motion is unknown" in output.message
    assert values(output)["reference"] == "CAM_FRONT"


def test_what_came_before_the_clock_was_set_back_is_as_old_as_that():
    ahead = sensor(age=-900.0)
    made = pipeline(last_published=NOW + 900.0)
    told = statuses(
        made=made, inputs={"CAM_FRONT": ahead, "LIDAR_TOP": sensor()}, since=NOW - 20.0
    )
    assert said(told["output"]) == (ERROR, "nothing published for 20.0 s")
    assert said(told["input CAM_FRONT"]) == (ERROR, "silent for 20.0 s")
    assert said(told["input LIDAR_TOP"]) == (OK, "receiving")
    soon = statuses(made=made, inputs={**SENSORS, "CAM_FRONT": ahead}, since=NOW - 0.5)
    assert {status.level for status in soon.values()} == {OK}
