# SPDX-License-Identifier: Apache-2.0
"""Where a ROS 2 installation has its own decoders and tf, ours must say the same."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from helpers.sensor_messages import decode_cloud, decode_image
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from effocc_ros.stream.transform_buffer import TransformBuffer

NAMES = ("x", "y", "z", "intensity")


def test_sensor_msgs_py_reads_the_same_points():
    point_cloud2 = pytest.importorskip("sensor_msgs_py.point_cloud2", reason="no sensor_msgs_py")
    points = np.random.default_rng(0).uniform(-50, 50, (100, 4)).astype(np.float32)
    fields = [
        PointField(name=name, offset=4 * place, datatype=PointField.FLOAT32, count=1)
        for place, name in enumerate(NAMES)
    ]
    cloud: PointCloud2 = point_cloud2.create_cloud(Header(frame_id="lidar"), fields, points)
    theirs = point_cloud2.read_points(cloud, field_names=NAMES)
    ours = decode_cloud(cloud, "LIDAR_TOP")
    assert ours.remarks == ()
    np.testing.assert_array_equal(ours.points, np.stack([theirs[name] for name in NAMES], axis=1))


def test_tf2_interpolates_to_the_same_pose():
    tf2_ros = pytest.importorskip("tf2_ros", reason="no tf2_ros")
    rclpy_time = pytest.importorskip("rclpy.time")
    theirs, ours = tf2_ros.Buffer(), TransformBuffer()
    for second, (x, yaw) in ((1, (0.0, 0.2)), (2, (4.0, 1.0))):
        turn = (np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2))
        pose = np.eye(4)
        pose[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
        pose[0, 3] = x
        ours.add("map", "base_link", second * 10**9, pose)
        transform = Transform(
            translation=Vector3(x=x),
            rotation=Quaternion(w=turn[0], x=turn[1], y=turn[2], z=turn[3]),
        )
        header = Header(stamp=Time(sec=second), frame_id="map")
        stamped = TransformStamped(header=header, child_frame_id="base_link", transform=transform)
        theirs.set_transform(stamped, "test")
    wanted = theirs.lookup_transform(
        "map", "base_link", rclpy_time.Time(nanoseconds=1_300_000_000)
    )
    place, turn = wanted.transform.translation, wanted.transform.rotation
    found = ours.lookup("map", "base_link", 1_300_000_000)
    np.testing.assert_allclose(found[:3, 3], (place.x, place.y, place.z), atol=1e-6)
    yaw = 2 * np.arctan2(turn.z, turn.w)
    assert np.arctan2(found[1, 0], found[0, 0]) == pytest.approx(yaw, abs=1e-6)


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "mono8"])
def test_cv_bridge_decodes_to_the_same_pixels(encoding):
    cv_bridge = pytest.importorskip("cv_bridge", reason="no cv_bridge")
    shape = (6, 8) if encoding == "mono8" else (6, 8, 3)
    pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    bridge = cv_bridge.CvBridge()
    message = bridge.cv2_to_imgmsg(pixels, encoding)
    wanted = bridge.imgmsg_to_cv2(message, desired_encoding="rgb8")
    np.testing.assert_array_equal(decode_image(message, "CAM"), wanted)
