# SPDX-License-Identifier: Apache-2.0
"""The stream as node and bags use it: counts, waits, and what is said."""

from dataclasses import asdict

import numpy as np
import pytest
from helpers.sensor_messages import (
    POINTS,
    Vehicle,
    at,
    camera_info,
    cloud,
    ego,
    jpeg,
    mounts,
    transforms,
)

from effocc_ros.stream import Stream, StreamConfig, SyncConfig


def test_inputs_are_counted_with_their_rate():
    vehicle = Vehicle()
    for index in range(30):
        vehicle.stream.add_image("CAM", jpeg(index * 0.1), 50.0 + index * 0.1)
    inputs = vehicle.stream.statistics().inputs
    assert inputs["CAM"].count == 30
    assert inputs["CAM"].rate == pytest.approx(10.0)
    assert inputs["CAM"].last_stamp == at(2.9)
    assert inputs["CAM"].last_arrival == pytest.approx(52.9)
    assert asdict(inputs["LIDAR_TOP"]) == {
        "count": 0,
        "rate": 0.0,
        "last_stamp": 0,
        "last_arrival": 0.0,
        "period": 0.0,
        "distance": None,
        "worst_distance": None,
    }


def test_frames_and_drops_add_up():
    vehicle = Vehicle(())
    stream = vehicle.stream
    for index in range(5):
        stream.add_points(cloud(index * 0.1), 0.0)
    first, second, *others = stream.poll(0.0)
    stream.drop(first, "superseded")
    assert stream.assemble(second) is not None
    for trigger in others:
        stream.drop(trigger, "superseded")
    counts = stream.statistics()
    assert (counts.frames_in, counts.frames_out, counts.drops) == (5, 1, {"superseded": 4})


def test_a_frame_that_misses_a_camera_says_so_and_goes_out():
    vehicle = Vehicle(("A", "B"))
    vehicle.stream.add_image("A", jpeg(), 0.0)
    vehicle.stream.add_image("B", jpeg(37.0), 0.0)
    vehicle.stream.add_points(cloud(), 0.0)
    (frame,) = vehicle.frames()
    assert frame.inputs == ("A", "LIDAR_TOP")
    (problem,) = vehicle.problems
    assert (problem.source, problem.reason) == ("B", "no_image")
    assert "the nearest 37 s away at 1000.000 s; expected one within 0.1 s" in problem.text
    assert vehicle.stream.statistics().rejected == {"B.no_image": 1}


def test_frames_wait_for_tf_and_go_on_by_extrapolation_when_the_wait_is_over():
    vehicle = Vehicle(ready=False, sync_max_wait=0.2)
    stream = vehicle.stream
    stream.add_transforms(mounts(), static=True)
    stream.add_camera_info("CAM", camera_info())
    vehicle.drive(-0.5, -0.05)
    stream.add_image("CAM", jpeg(), 0.0)
    stream.add_points(cloud(), 0.0)
    assert stream.poll(0.1) == []
    stream.add_transforms(transforms(0.01, ("map", "base_link", ego(0.01))), static=False)
    assert len(stream.poll(0.11)) == 1
    stream.add_image("CAM", jpeg(0.1), 0.2)
    stream.add_points(cloud(0.1), 0.2)
    assert stream.poll(0.39) == []
    (frame,) = vehicle.frames(0.41)
    assert np.allclose(frame.ego2global, ego(0.1), atol=1e-6)


def test_a_frame_is_not_given_up_for_late_tf_unless_a_newer_one_can_be_used():
    vehicle = Vehicle((), ready=False, sync_max_wait=0.2)
    stream = vehicle.stream
    stream.add_transforms(mounts(), static=True)
    vehicle.drive(-0.5, 0.0)
    for index, seconds in enumerate((0.3, 0.4, 0.5)):
        stream.add_points(cloud(seconds), seconds)
        behind = 0.01 * (index + 1)
        stream.add_transforms(transforms(behind, ("map", "base_link", ego(behind))), static=False)
    assert stream.poll(3.0) == [], "tf is 0.3 s behind: nothing to guess from"
    statistics = stream.statistics(3.0)
    assert (statistics.waiting, statistics.waiting_since) == (3, 0.3)
    assert statistics.waiting_for == "tf"
    vehicle.drive(0.32, 0.45)
    frames = vehicle.frames(3.0)
    assert [frame.stamp for frame in frames] == [at(0.3), at(0.4), at(0.5)]
    assert stream.statistics().drops == {}


def test_frames_that_late_tf_never_reaches_are_given_up_by_name():
    vehicle = Vehicle((), ready=False, sync_queue=3, sync_longest_queue=3)
    vehicle.stream.add_transforms(mounts(), static=True)
    vehicle.drive(-0.5, 0.0)
    for index in range(5):
        vehicle.stream.add_points(cloud(0.2 + index * 0.1), index * 0.1)
        vehicle.drive(0.001 * index, 0.001 * index)
        assert vehicle.frames(index * 0.1) == []
    assert vehicle.stream.statistics().drops == {"tf_extrapolation": 2}
    assert vehicle.reasons == ["tf_extrapolation"] * 2
    assert "needed at 1000.300 s" in vehicle.problems[-1].text


@pytest.mark.parametrize(("stamp", "reason"), [(0.1, "duplicate_stamp"), (0.05, "out_of_order")])
def test_a_sweep_that_comes_again_or_too_late_makes_no_second_frame(stamp, reason):
    vehicle = Vehicle(())
    vehicle.stream.add_points(cloud(0.1), 0.0)
    for shift in (0.0, 0.01):
        again = stamp if reason == "duplicate_stamp" else stamp - shift
        assert vehicle.stream.add_points(cloud(again), 0.0)
    assert [frame.stamp for frame in vehicle.frames()] == [at(0.1)]
    statistics = vehicle.stream.statistics()
    assert statistics.frames_in == 1
    assert statistics.rejected == {f"LIDAR_TOP.{reason}": 2}
    assert statistics.drops == {}
    assert [(each.source, each.reason) for each in vehicle.problems] == [("LIDAR_TOP", reason)]
    assert "second publisher" in vehicle.problems[0].text


@pytest.mark.parametrize("sensor", ["CAM", "LIDAR_TOP"])
def test_other_data_under_a_stamp_that_came_before_is_no_duplicate(sensor):
    vehicle = Vehicle()
    for shade in (10, 200):
        if sensor == "CAM":
            vehicle.stream.add_image("CAM", jpeg(0.1, shade), 0.0)
        else:
            vehicle.stream.add_points(cloud(0.1, POINTS + shade), 0.0)
    assert vehicle.stream.statistics().rejected == {f"{sensor}.repeated_stamp": 1}
    assert "a clock that was set back" in vehicle.problems[0].text


@pytest.mark.parametrize("step", [0.25, 0.5, 0.9])
def test_a_clock_that_is_set_back_by_less_than_a_second_is_named_so(step):
    vehicle, stamps = Vehicle(()), []
    for index in range(30):
        seconds = 0.1 * index - (step if index >= 12 else 0.0)
        vehicle.stream.add_points(cloud(seconds, POINTS + 0.01 * index), 0.1 * index)
        stamps += [frame.stamp for frame in vehicle.frames(0.1 * index)]
    assert stamps == sorted(set(stamps))
    assert "duplicate_stamp" not in vehicle.reasons
    assert all("clock that was set back" in each.text for each in vehicle.problems)
    lost = vehicle.stream.statistics().rejected
    assert len(stamps) + sum(lost.values()) == 30


def test_images_that_come_twice_are_counted_and_said_once():
    vehicle = Vehicle()
    for seconds in (0.0, 0.0, 0.1, 0.1, 0.05):
        vehicle.stream.add_image("CAM", jpeg(seconds), 0.0)
    vehicle.stream.add_points(cloud(0.05), 0.0)
    (frame,) = vehicle.frames()
    assert frame.camera("CAM").stamp == at(0.05), "one that is late is as good as any"
    assert vehicle.stream.statistics().rejected == {"CAM.duplicate_stamp": 2}
    assert vehicle.reasons == ["duplicate_stamp"]


def test_the_distance_of_images_from_where_they_were_expected_is_told():
    vehicle = Vehicle(sync_offsets={"CAM": 0.02})
    for index, late in enumerate((0.0, 0.01, 0.005)):
        vehicle.stream.add_image("CAM", jpeg(index * 0.1 + 0.02 + late), 0.0)
        vehicle.stream.add_points(cloud(index * 0.1), 0.0)
    assert len(vehicle.frames()) == 3
    statistics = vehicle.stream.statistics().inputs["CAM"]
    assert statistics.distance == pytest.approx(0.005)
    assert statistics.worst_distance == pytest.approx(0.01)


def test_the_rate_of_a_dead_input_falls():
    vehicle = Vehicle()
    for index in range(30):
        vehicle.stream.add_image("CAM", jpeg(index * 0.1), 50.0 + index * 0.1)
    rates = [vehicle.stream.statistics(now).inputs["CAM"].rate for now in (53.0, 54.9, 3600.0)]
    assert rates[0] == pytest.approx(10.0)
    assert rates[1] == pytest.approx(19 / 3.9)
    assert rates[2] < 0.01


def test_another_model_may_want_other_sensors():
    vehicle = Vehicle(("A",))
    vehicle.stream.add_image("A", jpeg(), 0.0)
    vehicle.stream.reconfigure(
        StreamConfig(SyncConfig(("A", "B"), offsets={"A": 0.02}), anchor="A", sweeps=0)
    )
    vehicle.stream.add_camera_info("B", camera_info())
    vehicle.stream.add_image("B", jpeg(0.48), 0.0)
    vehicle.stream.add_points(cloud(0.5), 0.0)
    vehicle.stream.add_image("A", jpeg(0.5), 0.0)
    (frame,) = vehicle.frames()
    assert (frame.stamp, frame.inputs) == (at(0.5), ("A", "B"))


def test_problems_may_be_ignored():
    stream = Stream(StreamConfig(SyncConfig(("CAM",))))
    assert not stream.add_image("CAM", jpeg(data=b""), 0.0)
    assert stream.statistics().rejected == {"CAM.corrupt_image": 1}
