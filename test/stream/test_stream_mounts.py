# SPDX-License-Identifier: Apache-2.0
"""At the start the first sweep may overtake tf_static and CameraInfo."""

import pytest
from helpers.sensor_messages import Vehicle, camera_info, cloud, jpeg, mounts

from effocc_ros.calibration import SensorCalibration


def just_started() -> Vehicle:
    """Return a vehicle that has sent everything but tf_static."""
    vehicle = Vehicle(ready=False, sync_max_wait=0.2)
    vehicle.drive(-0.5, 0.5)
    vehicle.stream.add_camera_info("CAM", camera_info())
    vehicle.stream.add_image("CAM", jpeg(), 0.0)
    vehicle.stream.add_points(cloud(), 0.0)
    return vehicle


def test_the_first_sweep_waits_for_the_poses_of_the_sensors():
    vehicle = just_started()
    assert vehicle.stream.poll(0.1) == []
    vehicle.stream.add_transforms(mounts(), static=True)
    (frame,) = vehicle.frames(0.11)
    assert frame.inputs == ("CAM", "LIDAR_TOP")
    assert vehicle.problems == []


def test_poses_that_never_come_are_not_waited_for_for_ever():
    vehicle = just_started()
    assert vehicle.stream.poll(0.19) == []
    assert vehicle.frames(0.21) == []
    assert {problem.reason for problem in vehicle.problems} == {"tf_missing"}


def test_the_first_images_wait_for_their_camera_info():
    vehicle = Vehicle(ready=False, sync_max_wait=0.2)
    vehicle.drive(-0.5, 0.5)
    vehicle.stream.add_transforms(mounts(), static=True)
    vehicle.stream.add_image("CAM", jpeg(), 0.0)
    vehicle.stream.add_points(cloud(), 0.0)
    assert vehicle.stream.poll(0.1) == []
    vehicle.stream.add_camera_info("CAM", camera_info())
    (frame,) = vehicle.frames(0.11)
    assert frame.inputs == ("CAM", "LIDAR_TOP")


@pytest.mark.parametrize(("mounted", "sensor"), [(False, "LIDAR_TOP"), (True, "CAM")])
def test_a_sensor_that_the_calibration_file_calls_otherwise_is_told(mounted, sensor):
    filed = {"CAM_FRNT": SensorCalibration(), "LIDAR": SensorCalibration()}
    vehicle = Vehicle(ready=False, sync_max_wait=0.2, calibration=filed)
    vehicle.drive(-0.5, 0.5)
    if mounted:
        vehicle.stream.add_transforms(mounts(), static=True)
    vehicle.stream.add_image("CAM", jpeg(), 0.0)
    vehicle.stream.add_points(cloud(), 0.0)
    assert len(vehicle.frames(0.5)) == mounted
    said = " ".join(problem.text for problem in vehicle.problems)
    assert f"has no {sensor} but CAM_FRNT, LIDAR" in said
