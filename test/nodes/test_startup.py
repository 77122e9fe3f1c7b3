# SPDX-License-Identifier: Apache-2.0
"""The start-up table, and the sentence that says what is missing."""

import pytest

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, PointCloud2
from tf2_msgs.msg import TFMessage

from effocc_ros.nodes.startup import InputRow, missing, table
from effocc_ros.nodes.topics import Topic, wanted_profiles

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
VOLATILE, LATCHED = DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL


def row(sensor="LIDAR_TOP", what="points", topic="/points", **changes):
    fields = {"publishers": ("driver (reliable, volatile)",), "received": 9, **changes}
    return InputRow(sensor, what, topic, "sensor_msgs/msg/PointCloud2", **fields)


def test_the_table_shows_what_is_connected():
    lines = table(
        [
            row(mounted=True),
            row("CAM_FRONT", "image", "/cam", publishers=(), received=0, calibrated=False),
        ]
    ).splitlines()
    assert lines[0].split() == [
        "input",
        "topic",
        "type",
        "publishers",
        "received",
        "calibrated",
        "pose",
    ]
    assert lines[1].split() == [
        *("LIDAR_TOP", "points", "/points", "PointCloud2"),
        *("driver", "(reliable,", "volatile)", "9", "yes"),
    ]
    assert lines[2].split() == ["CAM_FRONT", "image", "/cam", "PointCloud2", "NONE", "0", "NO"]


@pytest.mark.parametrize(
    ("rows", "localised", "said"),
    [
        ([row(publishers=(), received=0)], True, "nobody publishes /points"),
        ([row(received=0)], True, "nothing has come on /points"),
        (
            [row(received=0, mismatch="driver sends sensor_msgs/msg/LaserScan")],
            True,
            "/points: driver sends sensor_msgs/msg/LaserScan",
        ),
        (
            [row("tf", "tf_static", "/tf_static", received=0)],
            True,
            "has come on /tf_static (check",
        ),
        (
            [row("tf", "tf_static", "/tf_static", received=0, kept=False)],
            True,
            "nothing has come on /tf_static from driver (reliable, volatile): what is sent once",
        ),
        ([row(mounted=False)], True, "tf does not tell where LIDAR_TOP is"),
        ([row("CAM", "image", "/cam", calibrated=False)], True, "no CameraInfo of CAM"),
        ([row(mounted=True)], False, "tf does not connect fixed_frame and base_frame"),
        ([row(mounted=None, useless=True)], True, "nothing usable has come on /points (see the"),
        ([row(mounted=True)], True, "all inputs have come"),
        ([row(mounted=True)], None, "all inputs have come"),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(rows, localised, said):
    assert said in missing(rows, "LIDAR_TOP", localised)


def test_what_makes_the_frames_is_named_first():
    rows = [
        row("CAM", "image", "/cam", publishers=(), received=0),
        row(publishers=(), received=0),
    ]
    assert "nobody publishes /points, /cam" in missing(rows, "LIDAR_TOP", True)


def offer(reliability=RELIABLE, durability=VOLATILE):
    return QoSProfile(depth=1, reliability=reliability, durability=durability)


@pytest.mark.parametrize(
    ("topic", "offers", "wanted"),
    [
        (Topic("L", "points", "p", PointCloud2), [], [(RELIABLE, VOLATILE)]),
        (
            Topic("L", "points", "p", PointCloud2),
            [offer(), offer(BEST_EFFORT)],
            [(BEST_EFFORT, VOLATILE)],
        ),
        (
            Topic("L", "points", "p", PointCloud2, "reliable"),
            [offer(BEST_EFFORT)],
            [(RELIABLE, VOLATILE)],
        ),
        (
            Topic("C", "camera_info", "c", CameraInfo),
            [offer(durability=LATCHED)],
            [(RELIABLE, LATCHED)],
        ),
        (
            Topic("C", "camera_info", "c", CameraInfo),
            [offer(durability=LATCHED), offer()],
            [(RELIABLE, LATCHED), (RELIABLE, VOLATILE)],
        ),
        (
            Topic("tf", "tf_static", "/tf_static", TFMessage),
            [],
            [(RELIABLE, LATCHED), (RELIABLE, VOLATILE)],
        ),
    ],
)
def test_what_is_asked_for_follows_what_the_publishers_offer(topic, offers, wanted):
    profiles = wanted_profiles(topic, offers)
    assert [(each.reliability, each.durability) for each in profiles] == wanted
    assert {each.depth for each in profiles} == {topic.depth}
