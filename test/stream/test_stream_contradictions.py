# SPDX-License-Identifier: Apache-2.0
"""What contradicts itself is said once and left out, or used rightly."""

import numpy as np
from helpers.sensor_messages import (
    MOUNT,
    POINTS,
    Vehicle,
    camera_info,
    cloud,
    jpeg,
    jpeg_bytes,
    mounts,
    picture,
    raw_image,
    transforms,
)

from effocc_ros.geometry import rigid

BASELINE = 0.2


def second_of_a_pair():
    return camera_info(
        p=np.array([100.0, 0, 32.0, -100.0 * BASELINE, 0, 110.0, 24.0, 0, 0, 0, 1, 0])
    )


def drive(vehicle, count=3, image=jpeg):
    for index in range(count):
        vehicle.stream.add_image("CAM", image(index * 0.1), 0.0)
        vehicle.stream.add_points(cloud(index * 0.1), 0.0)
    return vehicle.frames()


def test_the_second_camera_of_a_pair_sits_a_baseline_to_the_right_of_its_frame():
    vehicle = Vehicle()
    vehicle.stream.add_camera_info("CAM", second_of_a_pair())
    for frame in drive(vehicle):
        place = frame.camera("CAM").sensor2ego
        assert np.allclose(place[:3, 3], MOUNT[:3, 3] + [0, -BASELINE, 0])
        assert np.allclose(place[:3, :3], MOUNT[:3, :3])


def test_the_baseline_is_not_added_to_a_frame_of_the_second_cameras_own():
    vehicle = Vehicle()
    to_first = rigid([1, 0, 0, 0], [-BASELINE, 0, 0])
    edge = ("camera", "first_camera", to_first)
    vehicle.stream.add_transforms(transforms(0.0, edge), static=True)
    vehicle.stream.add_camera_info("CAM", second_of_a_pair())
    for frame in drive(vehicle):
        assert np.allclose(frame.camera("CAM").sensor2ego, MOUNT)


def test_an_image_of_another_aspect_ratio_leaves_the_camera_out():
    vehicle = Vehicle()
    tall = picture(size=(60, 64))
    frames = drive(vehicle, image=lambda seconds: raw_image(tall, "rgb8", seconds))
    assert [frame.inputs for frame in frames] == [("LIDAR_TOP",)] * 3
    assert set(vehicle.reasons) == {"size_mismatch"}
    assert "an image of 64x60 beside intrinsics for 64x48" in vehicle.problems[0].text


def test_a_region_beside_whole_images_is_said_once():
    vehicle = Vehicle()
    info = camera_info()
    info.roi.width, info.roi.height = 32, 20
    vehicle.stream.add_camera_info("CAM", info)
    frames = drive(vehicle, count=4)
    assert all(frame.camera("CAM").intrinsics[0, 2] == 32.0 for frame in frames)
    assert vehicle.reasons == ["contradicting_camera_info"]
    assert vehicle.stream.statistics().noted == {"CAM.contradicting_camera_info": 4}


def test_each_image_gets_the_intrinsics_of_its_time():
    vehicle = Vehicle(sync_tolerance=0.04)
    first, second = jpeg(0.0), jpeg(0.1)
    vehicle.stream.add_image("CAM", first, 0.0)
    later = camera_info(k=np.array([120.0, 0, 32, 0, 120.0, 24, 0, 0, 1]))
    later.header.stamp.nanosec = 50_000_000
    vehicle.stream.add_camera_info("CAM", later)
    vehicle.stream.add_image("CAM", second, 0.0)
    for seconds in (0.0, 0.1):
        vehicle.stream.add_points(cloud(seconds), 0.0)
    focal = [frame.camera("CAM").intrinsics[0, 0] for frame in vehicle.frames()]
    assert focal == [100.0, 120.0]


def test_two_sensors_on_one_topic_are_said_once():
    vehicle = Vehicle(())
    other = ("base_link", "rear", rigid([1, 0, 0, 0], [-1, 0, 1.8]))
    vehicle.stream.add_transforms(transforms(0.0, other), static=True)
    for index in range(6):
        frame = "rear" if index % 2 else "lidar"
        vehicle.stream.add_points(cloud(index * 0.05, frame=frame), 0.0)
    assert vehicle.reasons == ["several_lidars"]
    assert "frames 'lidar' and 'rear'" in vehicle.problems[0].text
    for index in range(6):
        vehicle.stream.add_image("CAM", jpeg(index * 0.05, frame=f"camera{index % 2}"), 0.0)
    assert vehicle.reasons[1:] == ["frame_id_changed", "frame_id_alternates"]
    assert "two sensors" in vehicle.problems[-1].text


def test_a_change_of_size_and_encoding_is_said_and_the_images_are_used():
    vehicle = Vehicle()
    vehicle.stream.add_image("CAM", raw_image(picture(), "rgb8", 0.0), 0.0)
    small = picture(size=(24, 32))
    vehicle.stream.add_image("CAM", raw_image(small[..., 0], "mono8", 0.1), 0.0)
    for seconds in (0.0, 0.1):
        vehicle.stream.add_points(cloud(seconds), 0.0)
    focal = [frame.camera("CAM").intrinsics[0, 0] for frame in vehicle.frames()]
    assert focal == [100.0, 50.0]
    assert vehicle.reasons == ["encoding_changed", "image_size_changed"]


def test_rays_without_a_return_are_counted_and_said_once():
    vehicle = Vehicle((), sweeps=0)
    points = np.vstack([POINTS, np.zeros((5, 4))])
    for index in range(4):
        vehicle.stream.add_points(cloud(index * 0.1, points=points), 0.0)
    assert [len(frame.cloud.points) for frame in vehicle.frames()] == [3] * 4
    assert vehicle.reasons == ["no_return"]
    assert vehicle.stream.statistics().noted == {"LIDAR_TOP.no_return": 4}


def test_a_picture_that_claims_a_huge_size_is_refused_on_arrival():
    vehicle = Vehicle()
    data = bytearray(jpeg_bytes())
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = (30_000).to_bytes(2, "big") * 2
    assert not vehicle.stream.add_image("CAM", jpeg(data=bytes(data)), 0.0)
    assert vehicle.reasons == ["absurd_size"]


def test_frames_do_not_wait_for_a_camera_whose_camera_info_is_refused():
    vehicle = Vehicle(("CAM", "OTHER"), ready=False)
    vehicle.stream.add_transforms(mounts(), static=True)
    vehicle.drive(-1.0, 1.0)
    vehicle.stream.add_camera_info("CAM", camera_info())
    vehicle.stream.add_camera_info("OTHER", camera_info(distortion_model="mei", d=np.ones(5)))
    for name in ("CAM", "OTHER"):
        vehicle.stream.add_image(name, jpeg(), 0.0)
    vehicle.stream.add_points(cloud(), 0.0)
    (frame,) = vehicle.frames(0.0)
    assert frame.inputs == ("CAM", "LIDAR_TOP")
    assert set(vehicle.reasons) == {"unknown_lens"}


def test_every_sensor_that_stands_in_two_places_is_named_once():
    vehicle = Vehicle()
    names = ("front", "rear", "roof")
    for place in (0.0, 1.0, 0.0, 1.0):
        edges = [("base_link", name, rigid([1, 0, 0, 0], [place, 0, 0])) for name in names]
        vehicle.stream.add_transforms(transforms(0.0, *edges), static=True)
    said = [problem.text for problem in vehicle.problems]
    assert len(said) == 3
    for name in names:
        assert sum(f"tf base_link <- {name}: found two" in text for text in said) == 1
    assert vehicle.stream.statistics().noted["tf base_link <- roof.two_places"] == 3
