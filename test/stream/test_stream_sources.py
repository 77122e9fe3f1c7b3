# SPDX-License-Identifier: Apache-2.0
"""Equal messages make equal frames: in every round of a loop, from threads, of ROS and of bags."""

import sys
import threading

import cv2
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
    raw_image,
    transforms,
)


def send_round(vehicle: Vehicle, now: float, pause: float) -> list:
    """Play a drive of three seconds in the order of its stamps; return its frames."""
    frames = []
    for tick in range(150):
        seconds, clock = tick * 0.02, now + tick * 0.02
        if tick % 5 == 0:
            edges = [("map", "base_link", ego(seconds))]
            vehicle.stream.add_transforms(transforms(seconds, *edges), static=False)
        if tick % 5 == 3:
            vehicle.stream.add_image("CAM", jpeg(seconds - 0.03, shade=tick), clock)
        if tick % 5 == 1:
            vehicle.stream.add_points(cloud(seconds - 0.01, POINTS + tick), clock)
        frames += vehicle.frames(clock)
    return frames + vehicle.frames(now + 3.0 + pause)


def assert_equal_frames(first, second):
    assert [frame.stamp for frame in first] == [frame.stamp for frame in second]
    for one, two in zip(first, second, strict=True):
        assert one.inputs == two.inputs
        assert np.array_equal(one.ego2global, two.ego2global)
        assert np.array_equal(one.cloud.points, two.cloud.points)
        for mine, others in zip(one.cameras, two.cameras, strict=True):
            assert mine.stamp == others.stamp
            assert np.array_equal(mine.image, others.image)
            assert np.array_equal(mine.ego2global, others.ego2global)


@pytest.mark.parametrize("interval", [0.0, 0.5])
@pytest.mark.parametrize("pause", [0.0, 1.0])
def test_a_bag_in_a_loop_gives_the_same_frames_in_every_round(interval, pause):
    vehicle = Vehicle(ready=False, sync_trigger_interval=interval)
    vehicle.stream.add_transforms(mounts(), static=True)
    vehicle.stream.add_camera_info("CAM", camera_info())
    rounds = [send_round(vehicle, index * (3.0 + pause), pause) for index in range(3)]
    last = 1 if pause else 0
    assert len(rounds[0]) == (6 if interval else 29 + last)
    assert all(frame.inputs == ("CAM", "LIDAR_TOP") for frame in rounds[0])
    assert_equal_frames(rounds[0], rounds[1])
    assert_equal_frames(rounds[1], rounds[2])
    drops = {} if interval or pause else {"jump_back": 2}
    assert vehicle.stream.statistics().drops == drops


@pytest.fixture
def hasty_threads():
    """Let the interpreter change threads as often as it can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty_threads")
def test_two_threads_may_send_while_a_third_makes_frames():
    vehicle = Vehicle(("A", "B"), sync_queue=10_000)
    stream, rounds, errors = vehicle.stream, 250, []
    done = threading.Event()

    def guarded(work):
        def run():
            try:
                work()
            except Exception as error:
                errors.append(error)

        return run

    def send_images():
        for index in range(rounds):
            for name in ("A", "B"):
                data = None if index % 10 else b"broken"
                stream.add_image(name, jpeg(index * 0.005, data=data), index * 0.005)

    def send_the_rest():
        for index in range(rounds):
            edge = ("map", "base_link", ego(index * 0.005))
            stream.add_transforms(transforms(index * 0.005, edge), static=False)
            stream.add_points(cloud(index * 0.005), index * 0.005)
            stream.add_camera_info("A", camera_info())
            stream.statistics()

    frames = []

    def make_frames():
        while not done.is_set():
            frames.extend(vehicle.frames(0.0))

    senders = [threading.Thread(target=guarded(work)) for work in (send_images, send_the_rest)]
    maker = threading.Thread(target=guarded(make_frames))
    for thread in (maker, *senders):
        thread.start()
    for thread in senders:
        thread.join()
    done.set()
    maker.join()
    frames += vehicle.frames()
    counts = stream.statistics()
    assert errors == []
    assert [frame.stamp for frame in frames] == [at(index * 0.005) for index in range(rounds)]
    assert (counts.frames_in, counts.frames_out, counts.drops) == (rounds, rounds, {})
    # What is no picture at all is refused on arrival.
    assert counts.inputs["A"].count == counts.inputs["B"].count == rounds - rounds // 10


def test_messages_of_rclpy_and_of_rosbags_make_the_same_frame():
    ours = pytest.importorskip("sensor_msgs.msg")
    geometry = pytest.importorskip("geometry_msgs.msg")
    standard = pytest.importorskip("std_msgs.msg")
    tf = pytest.importorskip("tf2_msgs.msg")
    time = pytest.importorskip("builtin_interfaces.msg")
    modules = (ours, geometry, standard, tf, time)

    def as_rclpy(value):
        """Turn a message of rosbags into one of rclpy, field by field."""
        if isinstance(value, list):
            return [as_rclpy(each) for each in value]
        if isinstance(value, np.ndarray):
            return value.tolist()
        kind = getattr(value, "__msgtype__", None)
        if kind is None:
            return value
        name = kind.rsplit("/", 1)[1]
        made = next(getattr(module, name) for module in modules if hasattr(module, name))()
        for field in made.get_fields_and_field_types():
            setattr(made, field, as_rclpy(getattr(value, field)))
        return made

    pixels = np.random.default_rng(3).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    data = cv2.imencode(".jpg", pixels)[1].tobytes()
    frames = []
    for convert in (lambda value: value, as_rclpy):
        vehicle = Vehicle(("RAW", "JPEG"), ready=False, sweeps=1)
        stream = vehicle.stream
        stream.add_transforms(convert(mounts()), static=True)
        for seconds in (0.0, 0.1):
            edge = ("map", "base_link", ego(seconds))
            stream.add_transforms(convert(transforms(seconds, edge)), static=False)
            stream.add_points(convert(cloud(seconds)), 0.0)
        for name in ("RAW", "JPEG"):
            stream.add_camera_info(name, convert(camera_info()))
        stream.add_image("RAW", convert(raw_image(pixels, "bgr8", 0.1)), 0.0)
        stream.add_image("JPEG", convert(jpeg(0.1, data=data)), 0.0)
        frames.append(vehicle.frames()[-1:])
        assert [problem.reason for problem in vehicle.problems] == ["no_image"] * 0
    assert frames[0][0].inputs == ("RAW", "JPEG", "LIDAR_TOP")
    assert_equal_frames(*frames)
    assert np.array_equal(frames[1][0].camera("RAW").image, pixels[..., ::-1])
