# SPDX-License-Identifier: Apache-2.0
"""What cannot be true of a sensor's place is said."""

import numpy as np
import pytest
from helpers.sensor_messages import (
    LIDAR_MOUNT,
    MOUNT,
    Vehicle,
    at,
    camera_info,
    cloud,
    ego,
    jpeg,
    transforms,
)

from effocc_ros.geometry import rigid, transform_points

AHEAD = np.array([[12.0, float(y), float(z), 50.0] for y in range(-4, 5) for z in range(3)])


def vehicle_with(camera=MOUNT, lidar=LIDAR_MOUNT, **settings) -> Vehicle:
    vehicle = Vehicle(ready=False, sweeps=0, **settings)
    edges = ("base_link", "camera", camera), ("base_link", "lidar", lidar)
    vehicle.stream.add_transforms(transforms(0.0, *edges), static=True)
    vehicle.drive(-2.0, 2.0)
    return vehicle


def one_frame(vehicle, image="camera", info="camera", points="lidar"):
    vehicle.stream.add_camera_info("CAM", camera_info(info))
    vehicle.stream.add_image("CAM", jpeg(0.0, frame=image), 0.0)
    vehicle.stream.add_points(cloud(0.0, frame=points), 0.0)
    return vehicle.frames()[0]


@pytest.mark.parametrize("sensor", ["camera", "lidar"])
@pytest.mark.parametrize("metres", [1500.0, -120.0, 1e12, 1e300])
def test_a_sensor_that_is_far_from_its_vehicle_is_left_out(sensor, metres):
    mount = rigid([1.0, 0.0, 0.0, 0.0], [1.0, metres, 1.8])
    frame = one_frame(vehicle := vehicle_with(**{sensor: mount}))
    assert set(frame.inputs) == {"camera": {"LIDAR_TOP"}, "lidar": {"CAM"}}[sensor]
    assert "metres" in vehicle.problems[0].text
    assert np.isfinite(frame.cloud.points).all() if sensor == "camera" else frame.cloud is None


def test_a_camera_in_its_body_frame_is_said_to_look_up():
    vehicle = vehicle_with(camera=rigid([1.0, 0.0, 0.0, 0.0], [1.5, 0.0, 1.6]))
    one_frame(vehicle)
    assert vehicle.reasons == ["looks_up"]
    assert "REP 103" in vehicle.problems[0].text


@pytest.mark.parametrize(
    ("image", "info"), [("camera", "elsewhere"), ("elsewhere", "camera"), ("lidar", "camera")]
)
def test_two_frames_of_one_camera_are_said_and_the_one_in_tf_is_used(image, info):
    frame = one_frame(vehicle := vehicle_with(), image, info)
    assert vehicle.reasons[0] == "two_frames"
    expected = LIDAR_MOUNT if image == "lidar" else MOUNT
    assert np.allclose(frame.camera("CAM").sensor2ego, expected)


def test_two_cameras_on_one_camera_info_are_said():
    vehicle = vehicle_with()
    for index in range(6):
        matrix = np.array([100.0 + 60 * (index % 2), 0, 32, 0, 110, 24, 0, 0, 1])
        vehicle.stream.add_camera_info("CAM", camera_info(k=matrix, p=np.zeros(12)))
    assert vehicle.reasons == ["calibration_alternates"]


@pytest.mark.parametrize("shift", [0.0, 0.03, 0.05])
def test_a_cloud_that_is_in_the_map_already_comes_to_lie_where_it_was_seen(shift):
    vehicle = vehicle_with()
    seen = transform_points(LIDAR_MOUNT, AHEAD[:, :3])
    in_map = np.column_stack([transform_points(ego(shift), seen), AHEAD[:, 3]])
    vehicle.stream.add_points(cloud(shift, in_map, "map"), shift)
    (frame,) = vehicle.frames()
    assert frame.stamp == at(shift)
    assert np.allclose(frame.cloud.points[:, :3], seen, atol=1e-3)
