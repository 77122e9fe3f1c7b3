# SPDX-License-Identifier: Apache-2.0
"""A trigger becomes a Frame: poses, pictures and sweeps where they belong."""

import numpy as np
import pytest
from helpers.sensor_messages import (
    INTRINSICS,
    LIDAR_MOUNT,
    MOUNT,
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

from effocc_ros.calibration import SensorCalibration
from effocc_ros.geometry import rigid, transform_points

FAR = POINTS[:2]


def the_frame(vehicle):
    (frame,) = vehicle.frames()
    return frame


def test_a_frame_has_everything_in_the_vehicle_frame():
    vehicle = Vehicle(("LEFT", "RIGHT"))
    vehicle.stream.add_image("LEFT", jpeg(-0.04, 60), 0.0)
    vehicle.stream.add_image("RIGHT", jpeg(0.02, 200), 0.0)
    vehicle.stream.add_points(cloud(0.0), 0.0)
    frame = the_frame(vehicle)
    assert vehicle.problems == []
    assert (frame.stamp, frame.frame_id) == (at(0.0), "base_link")
    assert frame.inputs == ("LEFT", "RIGHT", "LIDAR_TOP")
    assert np.allclose(frame.ego2global, ego(0.0))
    for name, seconds, shade in (("LEFT", -0.04, 60), ("RIGHT", 0.02, 200)):
        camera = frame.camera(name)
        assert camera.stamp == at(seconds)
        assert camera.image.shape == (48, 64, 3)
        assert (camera.image == shade).all()
        assert np.array_equal(camera.intrinsics, INTRINSICS)
        assert np.allclose(camera.sensor2ego, MOUNT)
        assert np.allclose(camera.ego2global, ego(seconds))
    assert np.allclose(frame.cloud.sensor2ego, LIDAR_MOUNT)


def test_earlier_sweeps_follow_with_the_motion_taken_out():
    vehicle = Vehicle((), sweeps=2)
    for index in range(4):
        points = np.add(FAR, (0.0, 0.0, 0.0, index))
        vehicle.stream.add_points(cloud(0.05 * index, points), 0.0)
        frames = vehicle.frames()
    (frame,) = frames
    points = frame.cloud.points
    assert points.shape == (6, 5)
    assert np.allclose(points[:, 4], np.repeat([0.0, 0.05, 0.10], 2))
    assert np.allclose(points[:, 3], [13, 23, 12, 22, 11, 21])
    here = transform_points(LIDAR_MOUNT, FAR[:, :3])
    for rows, metres in ((slice(0, 2), 0.0), (slice(2, 4), 0.5), (slice(4, 6), 1.0)):
        # At 10 m/s what was seen 0.05 s ago is half a metre nearer.
        assert np.allclose(points[rows, :3], here - [metres, 0, 0], atol=1e-4)


def test_close_points_of_earlier_sweeps_are_the_vehicle_itself():
    vehicle = Vehicle((), sweeps=1)
    for seconds in (0.0, 0.05):
        vehicle.stream.add_points(cloud(seconds), 0.0)
        frames = vehicle.frames()
    assert len(frames[0].cloud.points) == 3 + 2


def test_without_a_fixed_frame_there_is_no_ego_motion_and_no_earlier_sweep():
    vehicle = Vehicle(ready=False, fixed_frame="", sweeps=3)
    vehicle.stream.add_transforms(mounts(), static=True)
    vehicle.stream.add_camera_info("CAM", camera_info())
    for seconds in (0.0, 0.05):
        vehicle.stream.add_image("CAM", jpeg(seconds), 0.0)
        vehicle.stream.add_points(cloud(seconds, FAR), 0.0)
        frame = the_frame(vehicle)
    assert np.array_equal(frame.ego2global, np.eye(4))
    assert np.array_equal(frame.cameras[0].ego2global, np.eye(4))
    assert not frame.cloud.points[:, 4].any()
    assert vehicle.problems == []


def test_an_anchor_camera_makes_frames_without_a_lidar():
    vehicle = Vehicle(("A", "B"), anchor="A", sync_offsets={"A": -0.035, "B": 0.005})
    vehicle.stream.add_points(cloud(0.0), 0.0)
    for shift in (-0.08, 0.0, 0.04, 0.08):
        vehicle.stream.add_image("B", jpeg(shift), 0.0)
    assert vehicle.frames() == []
    vehicle.stream.add_image("A", jpeg(0.0), 0.0)
    frame = the_frame(vehicle)
    assert (frame.stamp, frame.cloud, frame.inputs) == (at(0.0), None, ("A", "B"))
    # B fires 40 ms after A.
    assert frame.camera("B").stamp == at(0.04)


def test_the_images_frame_goes_before_the_camera_infos():
    vehicle = Vehicle(("A", "B"))
    other = rigid([1, 0, 0, 0], [9, 9, 9])
    edge = ("base_link", "other", other)
    vehicle.stream.add_transforms(transforms(0.0, edge), static=True)
    vehicle.stream.add_image("A", jpeg(0.0, frame="/other"), 0.0)
    vehicle.stream.add_camera_info("B", camera_info("other"))
    vehicle.stream.add_image("B", jpeg(0.0, frame=""), 0.0)
    vehicle.stream.add_points(cloud(0.0), 0.0)
    frame = the_frame(vehicle)
    assert np.array_equal(frame.camera("A").sensor2ego, other)
    assert np.array_equal(frame.camera("B").sensor2ego, other)


def test_a_calibration_file_goes_before_camera_info_and_tf():
    known = np.array([[70.0, 0, 31.0], [0, 71.0, 22.0], [0, 0, 1]])
    lidar = rigid([1, 0, 0, 0], [0, 0, 2])
    calibration = {
        "CAM": SensorCalibration(known, (64, 48), MOUNT),
        "LIDAR_TOP": SensorCalibration(sensor2base=lidar),
    }
    vehicle = Vehicle(ready=False, calibration=calibration)
    vehicle.drive(-1.0, 1.0)
    vehicle.stream.add_camera_info("CAM", camera_info(k=np.zeros(9)))
    vehicle.stream.add_image("CAM", jpeg(frame=""), 0.0)
    vehicle.stream.add_points(cloud(frame=""), 0.0)
    frame = the_frame(vehicle)
    assert vehicle.problems == []
    assert np.array_equal(frame.camera("CAM").intrinsics, known)
    assert np.array_equal(frame.camera("CAM").sensor2ego, MOUNT)
    assert np.array_equal(frame.cloud.sensor2ego, lidar)


def test_intensity_is_brought_to_the_scale_of_training():
    vehicle = Vehicle((), intensity_scale=2.0, sweeps=0)
    vehicle.stream.add_points(cloud(), 0.0)
    assert the_frame(vehicle).cloud.points[:, 3].tolist() == [20.0, 40.0, 60.0]


@pytest.mark.parametrize("static", [True, False])
def test_poses_at_two_hertz_on_one_topic_are_enough(static):
    """Some bags tell all of tf, the mounts too, on /tf and twice a second only."""
    vehicle = Vehicle(ready=False, max_extrapolation=0.6, sweeps=4)
    stream = vehicle.stream
    stream.add_camera_info("CAM", camera_info())
    stamps = []
    for index in range(40):
        now = index * 0.05
        if index % 10 == 0:
            edges = [("map", "base_link", ego(now))]
            links = [("base_link", "camera", MOUNT), ("base_link", "lidar", LIDAR_MOUNT)]
            stream.add_transforms(transforms(now, *edges), static=False)
            stream.add_transforms(transforms(now, *links), static=static)
        stream.add_image("CAM", jpeg(now), now)
        stream.add_points(cloud(now, FAR), now)
        for frame in vehicle.frames(now):
            stamps.append(frame.stamp)
            # At a steady speed the pose is right however far it was carried on; before the
            # second pose nobody knows the speed.
            if frame.stamp >= at(0.5):
                assert np.allclose(frame.ego2global, ego((frame.stamp - at(0.0)) / 1e9))
                assert frame.cloud.points[:, 4].max() == pytest.approx(0.2)
    assert vehicle.problems == []
    assert len(stamps) >= 35
