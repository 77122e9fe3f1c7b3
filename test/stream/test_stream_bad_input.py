# SPDX-License-Identifier: Apache-2.0
"""Each bad message is told once, counted, and hurts nothing: the next good one works."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.sensor_messages import (
    LIDAR_MOUNT,
    MOUNT,
    POINTS,
    Vehicle,
    camera_info,
    cloud,
    ego,
    jpeg,
    jpeg_bytes,
    picture,
    raw_image,
    transforms,
)

from effocc_ros.bags.messages import header_message

NAN = float("nan")


def without_stamp(message):
    return replace(message, header=header_message(0, message.header.frame_id))


def nan_points(*rows: int) -> np.ndarray:
    points = POINTS.copy()
    points[list(rows), 1] = NAN
    return points


def short_image():
    whole = raw_image(picture(), "rgb8")
    return replace(whole, data=whole.data[:-100])


IMAGES = {
    "short": ("short_image", short_image()),
    "unknown_encoding": ("unknown_encoding", raw_image(picture(), "32FC1")),
    "cut_jpeg": ("corrupt_image", jpeg(data=jpeg_bytes()[:-100])),
    "garbage": ("corrupt_image", jpeg(data=b"\xff\xd8 no picture \xff\xd9")),
    "empty": ("corrupt_image", jpeg(data=b"")),
    "zero_stamp": ("zero_stamp", without_stamp(jpeg())),
}

CLOUDS = {
    "no_x": ("cloud_without_xyz", replace(cloud(), fields=cloud().fields[1:])),
    "empty": ("empty_cloud", cloud(points=np.empty((0, 4)))),
    "all_nan": ("nan_cloud", cloud(points=nan_points(0, 1, 2))),
    "short": ("short_cloud", replace(cloud(), data=cloud().data[:-4])),
    "zero_stamp": ("zero_stamp", without_stamp(cloud())),
    "empty_frame_id": ("empty_frame_id", cloud(frame="")),
}


def assert_next_frame_is_whole(vehicle: Vehicle, seconds: float = 0.5):
    told = len(vehicle.problems)
    vehicle.stream.add_image("CAM", jpeg(seconds), 0.0)
    vehicle.stream.add_points(cloud(seconds), 0.0)
    frame = vehicle.frames()[-1]
    assert frame.inputs == ("CAM", "LIDAR_TOP")
    # A remark on the change from the bad message to the good one is all.
    assert all(problem.once for problem in vehicle.problems[told:])


@pytest.mark.parametrize("kind", IMAGES)
def test_a_bad_image_is_left_out_and_the_frame_goes_on(kind):
    reason, message = IMAGES[kind]
    vehicle = Vehicle()
    vehicle.stream.add_image("CAM", message, 0.0)
    vehicle.stream.add_points(cloud(), 0.0)
    (frame,) = vehicle.frames()
    assert frame.inputs == ("LIDAR_TOP",)
    assert vehicle.reasons[0] == reason
    assert vehicle.reasons.count(reason) == 1
    assert set(vehicle.reasons) <= {reason, "no_image"}
    assert "CAM" in vehicle.problems[0].text
    assert vehicle.stream.statistics().rejected[f"CAM.{reason}"] == 1
    assert_next_frame_is_whole(vehicle)


@pytest.mark.parametrize("kind", CLOUDS)
def test_a_bad_cloud_makes_no_frame_and_is_told_once(kind):
    reason, message = CLOUDS[kind]
    vehicle = Vehicle()
    vehicle.stream.add_image("CAM", jpeg(), 0.0)
    assert not vehicle.stream.add_points(message, 0.0)
    assert vehicle.frames() == []
    assert vehicle.reasons == [reason]
    assert "LIDAR_TOP" in vehicle.problems[0].text
    counts = vehicle.stream.statistics()
    assert (counts.frames_in, counts.rejected) == (0, {f"LIDAR_TOP.{reason}": 1})
    assert_next_frame_is_whole(vehicle)


def test_a_cloud_with_nan_is_used_without_those_points():
    vehicle = Vehicle((), sweeps=0)
    assert vehicle.stream.add_points(cloud(points=nan_points(1)), 0.0)
    (frame,) = vehicle.frames()
    assert frame.cloud.points[:, 3].tolist() == [10.0, 30.0]
    assert np.isfinite(frame.cloud.points).all()
    (problem,) = vehicle.problems
    assert (problem.source, problem.reason) == ("LIDAR_TOP", "nan_points")
    assert "found 1 points that are not finite" in problem.text


def test_an_unknown_frame_of_the_lidar_drops_the_frame_by_name():
    vehicle = Vehicle(sweeps=3)
    vehicle.stream.add_points(cloud(0.0), 0.0)
    vehicle.stream.add_points(cloud(0.05, frame="elsewhere"), 0.0)
    assert len(vehicle.frames()) == 1
    assert vehicle.stream.statistics().drops == {"tf_missing": 1}
    assert "no transform that names 'elsewhere'" in vehicle.problems[-1].text
    vehicle.stream.add_image("CAM", jpeg(0.1), 0.0)
    vehicle.stream.add_points(cloud(0.1), 0.0)
    (frame,) = vehicle.frames()
    # The lost sweep is missed by the next frame, the one before it is not.
    assert sorted({round(float(lag), 3) for lag in frame.cloud.points[:, 4]}) == [0.0, 0.1]
    assert vehicle.problems[-1].source == "LIDAR_TOP sweeps"


def test_an_empty_frame_id_of_camera_and_camera_info_leaves_the_camera_out():
    vehicle = Vehicle()
    vehicle.stream.add_camera_info("CAM", camera_info(""))
    vehicle.stream.add_image("CAM", jpeg(frame=""), 0.0)
    vehicle.stream.add_points(cloud(), 0.0)
    (frame,) = vehicle.frames()
    assert frame.inputs == ("LIDAR_TOP",)
    assert vehicle.reasons == ["empty_frame_id"]
    assert "header.frame_id of CAM" in vehicle.problems[0].text
    assert_next_frame_is_whole(vehicle)


def test_intrinsics_of_zeros_are_refused_and_the_ones_before_them_hold():
    vehicle = Vehicle()
    vehicle.stream.add_camera_info("CAM", camera_info(k=np.zeros(9), p=np.zeros(12)))
    assert vehicle.reasons == ["no_intrinsics"]
    assert "CameraInfo of CAM: found K = [0 0 0; 0 0 0; 0 0 0]" in vehicle.problems[0].text
    assert_next_frame_is_whole(vehicle)


def test_a_camera_without_any_camera_info_is_left_out():
    vehicle = Vehicle(ready=False)
    vehicle.drive(-1.0, 1.0)
    mounts = ("base_link", "camera", MOUNT), ("base_link", "lidar", LIDAR_MOUNT)
    vehicle.stream.add_transforms(transforms(0.0, *mounts), static=True)
    vehicle.stream.add_camera_info("CAM", camera_info(k=np.zeros(9), p=np.zeros(12)))
    vehicle.stream.add_image("CAM", jpeg(), 0.0)
    vehicle.stream.add_points(cloud(), 0.0)
    (frame,) = vehicle.frames()
    assert frame.inputs == ("LIDAR_TOP",)
    assert vehicle.reasons == ["no_intrinsics", "no_intrinsics"]
    vehicle.stream.add_camera_info("CAM", camera_info())
    assert_next_frame_is_whole(vehicle)


def test_lens_distortion_is_told_once():
    vehicle = Vehicle()
    for _ in range(5):
        vehicle.stream.add_camera_info("CAM", camera_info(d=np.array([0.1, 0, 0, 0, 0])))
    assert vehicle.reasons == ["lens_undone"]
    assert_next_frame_is_whole(vehicle)


def test_without_tf_the_frame_is_dropped_with_one_complaint():
    vehicle = Vehicle(("A", "B"), ready=False)
    for name in ("A", "B"):
        vehicle.stream.add_camera_info(name, camera_info())
        vehicle.stream.add_image(name, jpeg(), 0.0)
    vehicle.stream.add_points(cloud(), 0.0)
    assert vehicle.stream.poll(0.05) == []
    assert vehicle.frames() == []
    assert vehicle.stream.statistics().drops == {"tf_missing": 1}
    (problem,) = vehicle.problems
    assert "tf map <- base_link: found no transform that names 'base_link'" in problem.text


def test_tf_that_is_not_connected_is_told_from_tf_that_is_missing():
    vehicle = Vehicle(ready=False)
    vehicle.drive(-1.0, 1.0)
    lost = ("rig", "lidar", LIDAR_MOUNT)
    vehicle.stream.add_transforms(transforms(0.0, lost), static=True)
    vehicle.stream.add_points(cloud(), 0.0)
    assert vehicle.frames() == []
    assert vehicle.stream.statistics().drops == {"tf_disconnected": 1}
    assert "two separate trees (frames known: base_link, lidar, map, rig)" in (
        vehicle.problems[-1].text
    )
    found = ("base_link", "lidar", LIDAR_MOUNT), ("base_link", "camera", MOUNT)
    vehicle.stream.add_transforms(transforms(0.0, *found), static=True)
    vehicle.stream.add_camera_info("CAM", camera_info())
    assert_next_frame_is_whole(vehicle)


def test_an_unknown_frame_of_the_lidar_leaves_the_cameras():
    vehicle = Vehicle()
    vehicle.stream.add_image("CAM", jpeg(), 0.0)
    vehicle.stream.add_points(cloud(frame="elsewhere"), 0.0)
    assert [frame.inputs for frame in vehicle.frames()] == [("CAM",)]
    assert vehicle.reasons == ["tf_missing"]


def test_tf_that_stopped_is_not_carried_on_for_ever():
    vehicle = Vehicle(())
    vehicle.stream.add_points(cloud(5.2), 0.0)
    (frame,) = vehicle.frames()
    assert np.array_equal(frame.ego2global, np.eye(4))
    assert vehicle.reasons == ["no_ego_motion"]
    assert "0.200 s away from what is needed at 1005.200 s" in vehicle.problems[-1].text


def test_sweeps_from_before_the_first_pose_are_left_out():
    vehicle = Vehicle(ready=False, max_extrapolation=0.1)
    vehicle.drive(0.0, 1.0)
    mount = ("base_link", "lidar", LIDAR_MOUNT)
    vehicle.stream.add_transforms(transforms(0.0, mount), static=True)
    for seconds in (-0.3, -0.2, -0.05, 0.0):
        vehicle.stream.add_points(cloud(seconds), 0.0)
    frame = vehicle.frames()[-1]
    assert sorted({round(float(lag), 3) for lag in frame.cloud.points[:, 4]}) == [0.0, 0.05]
    assert vehicle.problems[-1].source == "LIDAR_TOP sweeps"
    assert vehicle.problems[-1].reason == "tf_extrapolation"


def bad_turn(**values):
    message = transforms(0.1, ("map", "base_link", ego(0.1)))
    stamped = message.transforms[0]
    turn = replace(stamped.transform.rotation, **values)
    return replace(
        message,
        transforms=[replace(stamped, transform=replace(stamped.transform, rotation=turn))],
    )


def bad_place():
    place = np.eye(4)
    place[0, 3] = NAN
    return transforms(0.1, ("map", "base_link", place))


TRANSFORMS = {
    "zero_quaternion": ("bad_transform", bad_turn(w=0.0)),
    "nan_quaternion": ("bad_transform", bad_turn(x=NAN)),
    "long_quaternion": ("bad_transform", bad_turn(w=2.0)),
    "nan_translation": ("bad_transform", bad_place()),
    "no_parent": ("empty_frame_id", transforms(0.1, ("", "base_link", ego(0.1)))),
    "no_child": ("empty_frame_id", transforms(0.1, ("map", "", ego(0.1)))),
    "loop": ("tf_loop", transforms(0.1, ("camera", "map", ego(0.1)))),
}


@pytest.mark.parametrize("kind", TRANSFORMS)
def test_a_bad_transform_is_refused_and_the_others_of_its_message_count(kind):
    reason, message = TRANSFORMS[kind]
    good = transforms(0.2, ("base_link", "more", ego(0.2)))
    both = replace(message, transforms=[*message.transforms, *good.transforms])
    vehicle = Vehicle()
    vehicle.stream.add_transforms(both, static=False)
    assert vehicle.reasons == [reason]
    assert vehicle.stream.statistics().rejected == {f"tf.{reason}": 1}
    vehicle.stream.add_image("CAM", jpeg(0.2, frame="more"), 0.0)
    vehicle.stream.add_points(cloud(0.2), 0.0)
    (frame,) = vehicle.frames()
    assert np.allclose(frame.camera("CAM").sensor2ego, ego(0.2))
    assert_next_frame_is_whole(vehicle)


def test_a_frame_without_any_usable_sensor_is_dropped():
    vehicle = Vehicle(anchor="CAM")
    whole = jpeg_bytes()
    scan = whole.index(b"\xff\xda")
    vehicle.stream.add_image("CAM", jpeg(data=whole[:scan] + b"\xff\xda\xff\xd9"), 0.0)
    assert vehicle.frames() == []
    assert vehicle.reasons == ["corrupt_image", "no_inputs"]
    assert vehicle.stream.statistics().drops == {"no_inputs": 1}


def test_a_fallback_decodes_what_is_unknown_here():
    vehicle = Vehicle(fallback=lambda message: picture(77))
    vehicle.stream.add_image("CAM", raw_image(picture(), "32FC1"), 0.0)
    vehicle.stream.add_points(cloud(), 0.0)
    (frame,) = vehicle.frames()
    assert (frame.camera("CAM").image == 77).all()
    assert vehicle.problems == []
