# SPDX-License-Identifier: Apache-2.0
"""At the start the first sweep may overtake tf_static and CameraInfo."""

from helpers.sensor_messages import Vehicle, camera_info, cloud, jpeg, mounts


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
