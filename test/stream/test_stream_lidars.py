# SPDX-License-Identifier: Apache-2.0
"""Several LiDARs, Waymo's elongation, and the ego motion from odometry."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.sensor_messages import (
    LIDAR_MOUNT,
    POINTS,
    START,
    Vehicle,
    at,
    cloud,
    ego,
    mounts,
    transforms,
)

from effocc_ros.bags.messages import header_message, point_cloud_message
from effocc_ros.errors import InputError
from effocc_ros.geometry import rigid, transform_points
from effocc_ros.stream.shared_topics import SharedTopics
from effocc_ros.stream.transform import read_odometry

REAR = rigid([0.0, 0.0, 0.0, 1.0], [-1.0, 0.0, 1.0])
"""A LiDAR that looks back: turned by half a turn about z."""

FAR = POINTS[:2]


@pytest.fixture
def pair():
    """Give a vehicle of two LiDARs."""
    vehicle = Vehicle((), other_lidars=("REAR",), sweeps=1)
    edge = ("base_link", "rear", REAR)
    vehicle.stream.add_transforms(transforms(0.0, edge), static=True)
    return vehicle


def test_two_lidars_make_one_cloud_with_the_motion_taken_out(pair):
    for seconds in (0.0, 0.1, 0.2):
        pair.stream.add_points(cloud(seconds - 0.04, FAR, "rear"), seconds, "REAR")
        pair.stream.add_points(cloud(seconds, FAR), seconds)
        frames = pair.frames(seconds)
    (frame,) = frames
    assert frame.inputs == ("LIDAR_TOP", "REAR")
    points = frame.cloud.points
    assert np.allclose(points[:, 4], np.repeat([0.0, 0.04, 0.1, 0.14], 2), atol=1e-6)
    for rows, mount, lag in (
        (slice(0, 2), LIDAR_MOUNT, 0.0),
        (slice(2, 4), REAR, 0.04),
        (slice(4, 6), LIDAR_MOUNT, 0.1),
        (slice(6, 8), REAR, 0.14),
    ):
        expected = transform_points(mount, FAR[:, :3]) - [10 * lag, 0, 0]
        assert np.allclose(points[rows, :3], expected, atol=1e-4)
    assert pair.problems == []


def test_a_sweep_of_the_same_moment_is_waited_for(pair):
    for seconds in (0.0, 0.1, 0.2):
        pair.stream.add_points(cloud(seconds, FAR), seconds)
        early = pair.frames(seconds)
        pair.stream.add_points(cloud(seconds, FAR, "rear"), seconds + 0.01, "REAR")
        frames = pair.frames(seconds + 0.01)
    assert early == []
    assert np.allclose(frames[0].cloud.points[:4, 4], 0.0)


def test_a_lidar_that_falls_silent_is_left_out_and_said(pair):
    pair.stream.reconfigure(pair.stream.config)
    frames = []
    for index in range(20):
        seconds = 0.1 * index
        if index < 8:
            pair.stream.add_points(cloud(seconds, FAR, "rear"), seconds, "REAR")
        pair.stream.add_points(cloud(seconds, FAR), seconds)
        frames += pair.frames(seconds)
    inputs = [frame.inputs for frame in frames]
    assert inputs[:8] == [("LIDAR_TOP", "REAR")] * 8
    assert inputs[12:] == [("LIDAR_TOP",)] * 8  # as soon as it is said, whatever is still kept
    assert ("REAR", "silent") in [(each.source, each.reason) for each in pair.problems]


def test_another_lidar_makes_the_frames_when_the_first_is_silent():
    vehicle = Vehicle((), other_lidars=("REAR",), standby=("REAR",), sweeps=1)
    edge = ("base_link", "rear", REAR)
    vehicle.stream.add_transforms(transforms(0.0, edge), static=True)
    frames = []
    for index in range(20):
        seconds = 0.1 * index
        if index < 8:
            vehicle.stream.add_points(cloud(seconds, FAR), seconds)
        vehicle.stream.add_points(cloud(seconds, FAR, "rear"), seconds, "REAR")
        frames += vehicle.frames(seconds)
    assert frames[-1].inputs == ("REAR",)
    assert np.allclose(frames[-1].cloud.sensor2ego, REAR)
    assert frames[-1].cloud.frame_id == "rear"


def stretched(seconds, elongation=(0.5, np.nan, 1.5)):
    kind = np.dtype([(n, "<f4") for n in ("x", "y", "z", "intensity", "elongation")])
    table = np.zeros(len(POINTS), kind)
    for column, name in enumerate(("x", "y", "z", "intensity")):
        table[name] = POINTS[:, column]
    table["elongation"] = elongation
    return point_cloud_message(at(seconds), "lidar", table)


def test_elongation_is_read_where_the_network_wants_it():
    vehicle = Vehicle((), sweeps=0, elongation=True)
    vehicle.stream.add_points(stretched(0.0), 0.0)
    (frame,) = vehicle.frames()
    assert frame.cloud.points[:, 4].tolist() == [0.5, 0.0, 1.5]
    assert vehicle.problems == []


def test_a_cloud_without_elongation_is_used_and_said_once():
    vehicle = Vehicle((), sweeps=0, elongation=True)
    for seconds in (0.0, 0.1):
        vehicle.stream.add_points(cloud(seconds), 0.0)
    assert [frame.cloud.points[:, 4].tolist() for frame in vehicle.frames()] == [[0.0] * 3] * 2
    assert vehicle.reasons == ["no_elongation"]
    assert "found fields x, y, z, intensity" in vehicle.problems[0].text


def test_elongation_is_no_lag_for_other_networks():
    vehicle = Vehicle((), sweeps=0)
    vehicle.stream.add_points(stretched(0.0), 0.0)
    (frame,) = vehicle.frames()
    assert frame.cloud.points[:, 4].tolist() == [0.0] * 3
    assert vehicle.problems == []


def odometry(seconds, x, frame="odom", child="base_link", turn=(0.0, 0.0, 0.0, 1.0)):
    names = ("x", "y", "z", "w")
    pose = SimpleNamespace(
        position=SimpleNamespace(x=x, y=0.0, z=0.0),
        orientation=SimpleNamespace(**dict(zip(names, turn, strict=True))),
    )
    return SimpleNamespace(
        header=header_message(at(seconds), frame),
        child_frame_id=child,
        pose=SimpleNamespace(pose=pose),
    )


def test_odometry_tells_the_ego_motion():
    vehicle = Vehicle((), ready=False, fixed_frame="odom", sweeps=2)
    vehicle.stream.add_transforms(mounts(), static=True)
    for index in range(6):
        seconds = 0.1 * index
        vehicle.stream.add_odometry(odometry(seconds, 10 * seconds), seconds)
        vehicle.stream.add_points(cloud(seconds, FAR), seconds)
        frames = vehicle.frames(seconds)
    (frame,) = frames
    assert np.allclose(frame.ego2global, ego(0.5))
    assert np.allclose(np.unique(frame.cloud.points[:, 4]), [0.0, 0.1, 0.2])
    assert vehicle.problems == []


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (odometry(0.0, np.nan), "bad_transform"),
        (odometry(0.0, 1.0, turn=(0.0, 0.0, 0.0, 0.0)), "bad_transform"),
        (odometry(0.0, 1.0, child=""), "empty_frame_id"),
    ],
    ids=["nan", "not_initialised", "no_child"],
)
def test_odometry_that_cannot_be_is_refused_and_counted(message, reason):
    with pytest.raises(InputError) as caught:
        read_odometry(message)
    assert caught.value.reason == reason
    vehicle = Vehicle(())
    vehicle.stream.add_odometry(message, 0.0)
    assert vehicle.stream.statistics().rejected == {f"tf.{reason}": 1}
    assert read_odometry(odometry(1.0, 2.0)).stamp == START + 1_000_000_000


@pytest.mark.parametrize("shift", [0.0, 0.02, 0.05, 0.08])
@pytest.mark.parametrize("first", ["lidar", "rear"])
def test_two_lidars_on_one_topic_make_whole_frames(shift, first):
    vehicle = Vehicle((), sweeps=0)
    second = {"lidar": "rear", "rear": "lidar"}[first]
    edge = ("base_link", "rear", REAR)
    vehicle.stream.add_transforms(transforms(0.0, edge), static=True)
    frames = []
    for index in range(12):
        seconds = 0.1 * index
        for frame, late in ((first, 0.0), (second, shift)):
            vehicle.stream.add_points(cloud(seconds + late, FAR, frame), seconds + late)
            frames += vehicle.frames(seconds + late)
    name = f"LIDAR_TOP/{second}"
    whole = [frame for frame in frames if frame.inputs == ("LIDAR_TOP", name)]
    assert len(frames) <= 13
    assert len(whole) >= 10
    mounts = {"lidar": LIDAR_MOUNT, "rear": REAR}
    frame = whole[-1]
    lag = frame.cloud.points[2, 4]
    assert lag == pytest.approx((0.1 - shift) % 0.1, abs=1e-6)
    for rows, which, age in ((slice(0, 2), first, 0.0), (slice(2, 4), second, lag)):
        expected = transform_points(mounts[which], FAR[:, :3]) - [10 * age, 0, 0]
        assert np.allclose(frame.cloud.points[rows, :3], expected, atol=1e-4)
    assert vehicle.reasons.count("several_lidars") == 1
    assert set(vehicle.stream.statistics().rejected) == set()
    assert vehicle.stream.lidars_without_topic == (name,)
    assert [vehicle.stream.topic_sensor(each) for each in ("LIDAR_TOP", name)] == ["LIDAR_TOP"] * 2


def test_a_lidar_whose_frame_gets_another_name_stays_one():
    vehicle = Vehicle((), sweeps=0)
    edge = ("base_link", "rear", REAR)
    vehicle.stream.add_transforms(transforms(0.0, edge), static=True)
    frames = []
    for index in range(12):
        name = "lidar" if index < 6 else "rear"
        vehicle.stream.add_points(cloud(0.1 * index, FAR, name), 0.1 * index)
        frames += vehicle.frames(0.1 * index)
    assert [frame.inputs for frame in frames] == [("LIDAR_TOP",)] * 12
    assert np.allclose(frames[-1].cloud.sensor2ego, REAR)
    assert vehicle.reasons == ["frame_id_changed"]


def test_lidars_of_one_topic_stay_apart_when_the_network_changes():
    vehicle = Vehicle((), sweeps=0, clock_offsets={"LIDAR_TOP": 1.0})
    edge = ("base_link", "rear", REAR)
    vehicle.stream.add_transforms(transforms(0.0, edge), static=True)
    frames = []
    for index in range(8):
        if index == 4:
            vehicle.stream.reconfigure(vehicle.stream.config)
        for frame in ("lidar", "rear"):
            vehicle.stream.add_points(cloud(0.1 * index - 1.0, FAR, frame), 0.1 * index)
        frames += vehicle.frames(0.1 * index)
    assert frames[-1].inputs == ("LIDAR_TOP", "LIDAR_TOP/rear")
    assert [frame.stamp for frame in frames] == [START + index * 100_000_000 for index in range(8)]


def test_a_frame_gone_wrong_now_and_then_does_not_take_a_lidars_name():
    shared = SharedTopics()
    names = []
    for index in range(60):
        frame = "gone wrong" if index % 7 == 5 else "lidar"
        stamp = index * 100_000_000
        placed = ["lidar", "base_link"].__contains__
        names.append(shared.name_of("LIDAR_TOP", frame, stamp, 0.1, placed))
    assert set(names) == {"LIDAR_TOP"}


def test_of_two_lidars_in_turn_the_first_keeps_the_name():
    shared = SharedTopics()
    names = [
        shared.name_of("LIDAR_TOP", ("left", "right")[index % 2], index * 10**8, 0.1, bool)
        for index in range(6)
    ]
    assert names[2:] == ["LIDAR_TOP", "LIDAR_TOP/right"] * 2
