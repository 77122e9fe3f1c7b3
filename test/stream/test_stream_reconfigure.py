# SPDX-License-Identifier: Apache-2.0
"""Another model takes over: what the sensors sent a moment ago is not lost."""

from dataclasses import replace

import pytest
from helpers.sensor_messages import Vehicle, at, cloud, jpeg

from effocc_ros.stream import StreamConfig, SyncConfig

BY_CAMERA = StreamConfig(SyncConfig(("CAM",)), anchor="CAM", sweeps=0)
BY_LIDAR = StreamConfig(SyncConfig(("CAM",)))


@pytest.fixture
def vehicle():
    """Give a vehicle whose LiDAR has made a frame."""
    vehicle = Vehicle()
    vehicle.stream.add_image("CAM", jpeg(), 0.0)
    vehicle.stream.add_points(cloud(), 0.0)
    assert [frame.stamp for frame in vehicle.frames()] == [at(0.0)]
    return vehicle


def test_an_image_whose_sweep_had_not_come_makes_a_frame(vehicle):
    vehicle.stream.add_image("CAM", jpeg(0.1), 0.1)
    vehicle.stream.reconfigure(BY_CAMERA)
    vehicle.stream.add_points(cloud(0.1), 0.1)
    assert [(frame.stamp, frame.inputs) for frame in vehicle.frames()] == [(at(0.1), ("CAM",))]


def test_an_image_whose_sweep_made_a_frame_makes_no_second_one(vehicle):
    vehicle.stream.reconfigure(BY_CAMERA)
    assert vehicle.frames() == []


def test_a_sweep_that_came_after_the_last_image_makes_a_frame(vehicle):
    vehicle.stream.reconfigure(BY_CAMERA)
    vehicle.stream.add_image("CAM", jpeg(0.1), 0.1)
    vehicle.stream.add_points(cloud(0.12), 0.1)
    assert [frame.stamp for frame in vehicle.frames()] == [at(0.1)]
    vehicle.stream.reconfigure(BY_LIDAR)
    (frame,) = vehicle.frames(10.0)
    assert (frame.stamp, frame.inputs) == (at(0.12), ("CAM", "LIDAR_TOP"))


def test_an_image_of_a_camera_that_is_not_wanted_any_more_does_no_harm(vehicle):
    vehicle.stream.reconfigure(StreamConfig(SyncConfig(())))
    assert vehicle.stream.add_image("CAM", jpeg(0.1), 0.1)
    vehicle.stream.add_points(cloud(0.1), 0.1)
    assert [frame.inputs for frame in vehicle.frames()] == [("LIDAR_TOP",)]


def test_what_waited_for_the_other_sensor_is_dropped_and_told_anew(vehicle):
    vehicle.stream.reconfigure(BY_CAMERA)
    vehicle.stream.add_image("CAM", jpeg(0.1), 0.1)
    vehicle.stream.add_points(cloud(0.1), 0.1)
    assert vehicle.stream.reconfigure(BY_LIDAR) == at(0.1)
    assert [(frame.stamp, frame.inputs) for frame in vehicle.frames()] == [
        (at(0.1), ("CAM", "LIDAR_TOP"))
    ]
    assert vehicle.stream.statistics().drops == {"reconfigured": 1}


def test_a_moment_s_end_is_told_by_the_stamp_that_its_message_came_with():
    offsets = {"LIDAR_TOP": -0.25, "CAM": 0.5}
    by_lidar = replace(BY_LIDAR, clock_offsets=offsets)
    by_camera = replace(BY_CAMERA, clock_offsets=offsets)
    vehicle = Vehicle(clock_offsets=offsets, max_extrapolation=1.0)
    stream = vehicle.stream
    stream.add_points(cloud(1.0), 1.0)
    (trigger,) = stream.poll(9.0)
    assert (trigger.stamp, stream.sent_stamp(trigger)) == (at(0.75), at(1.0))
    stream.add_points(cloud(1.1), 1.1)
    assert stream.reconfigure(by_camera) == at(1.1)
    stream.add_image("CAM", jpeg(1.2), 1.2)
    assert stream.reconfigure(by_lidar) == at(1.2)
