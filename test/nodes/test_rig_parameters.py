# SPDX-License-Identifier: Apache-2.0
"""A rig decides parameters and remappings."""

import shlex

import pytest
import yaml

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from effocc_ros.nodes.rig_parameters import (
    rig_arguments,
    rig_parameters,
    rig_remappings,
    rviz_config,
    rviz_remappings,
    tf_remappings,
)
from effocc_ros.nodes.settings import NodeSettings
from effocc_ros.nodes.stream_settings import stream_config
from effocc_ros.nodes.topics import sensor_topics
from effocc_ros.presets import load_preset
from effocc_ros.rig import CameraTopics, LidarTopics, Rig, load_rig
from effocc_ros.stream import StreamConfig, SyncConfig

FRONT = CameraTopics("CAM_FRONT", "/front/jpeg", "/front/camera_info", True, 0.01)
BACK = CameraTopics("CAM_BACK", "/back/jpeg", "", True, -0.02)


def small_rig(**changes):
    fields = {
        "name": "small",
        "cameras": (FRONT, BACK),
        "points": "/lidar",
        "lidar": "LIDAR_TOP",
        "base_frame": "base",
        "fixed_frame": "odom",
        "reliability": "auto",
        "calibration": None,
    }
    return Rig(**{**fields, **changes})


def test_cameras_keep_their_order_and_offsets():
    parameters = rig_parameters(small_rig())
    assert parameters["cameras"] == ["CAM_FRONT", "CAM_BACK"]
    assert parameters["camera_offsets"] == [0.01, -0.02]
    assert parameters["image_transport"] == "compressed"
    assert (parameters["base_frame"], parameters["fixed_frame"]) == ("base", "odom")
    assert parameters["reliability"] == "auto"
    assert "calibration" not in parameters


def test_each_topic_that_the_rig_has_is_remapped():
    assert rig_remappings(small_rig()) == [
        ("~/input/CAM_FRONT/image", "/front/jpeg"),
        ("~/input/CAM_FRONT/camera_info", "/front/camera_info"),
        ("~/input/CAM_BACK/image", "/back/jpeg"),
        ("~/input/points", "/lidar"),
    ]


def test_a_rig_may_mix_raw_and_compressed_cameras():
    raw = CameraTopics("CAM_BACK", "/back/raw", "", False, 0.0)
    mixed = rig_parameters(small_rig(cameras=(FRONT, raw)))
    assert (mixed["image_transport"], mixed["raw_cameras"]) == ("compressed", ["CAM_BACK"])
    alone = rig_parameters(small_rig(cameras=(raw,)))
    assert (alone["image_transport"], "raw_cameras" in alone) == ("raw", False)
    settings = NodeSettings(raw_cameras=("CAM_BACK",))
    config = StreamConfig(sync=SyncConfig(cameras=("CAM_FRONT", "CAM_BACK")))
    kinds = [each.kind for each in sensor_topics(settings, config, False)]
    assert kinds[:4] == [CompressedImage, CameraInfo, Image, CameraInfo]
    rviz = [inside for inside, _ in rviz_remappings(small_rig(cameras=(FRONT, raw)))]
    assert rviz == [
        "/occ_node/input/CAM_FRONT/image/compressed",
        "/occ_node/input/CAM_BACK/image",
    ]


def test_arguments_survive_the_shell_and_name_everything():
    arguments = rig_arguments(small_rig())
    assert "cameras:=['CAM_FRONT', 'CAM_BACK']" in arguments
    assert "~/input/points:=/lidar" in arguments
    assert shlex.split(shlex.join(arguments)) == arguments


def test_a_rig_moves_below_the_namespace_of_its_vehicle():
    remapped = dict(rig_remappings(small_rig(), "car1") + tf_remappings("car1"))
    assert remapped["~/input/points"] == "/car1/lidar"
    assert remapped["/tf"] == "/car1/tf"
    assert tf_remappings("") == []


def displays(text):
    config = yaml.safe_load(text)
    manager = config["Visualization Manager"]
    return manager["Global Options"]["Fixed Frame"], manager["Displays"], config["Window Geometry"]


def test_rviz_shows_the_rig_s_cameras_in_the_rig_s_frame(repository):
    shipped = (repository / "config" / "rviz" / "occ.rviz").read_text()
    frame, shown, windows = displays(rviz_config(shipped, small_rig(), "/car1/occ_node"))
    images = {each["Name"]: each["Topic"]["Value"] for each in shown if "Image" in each["Class"]}
    assert frame == "base"
    assert images == {
        "CAM_FRONT": "/car1/occ_node/input/CAM_FRONT/image/compressed",
        "CAM_BACK": "/car1/occ_node/input/CAM_BACK/image/compressed",
    }
    assert set(images) < set(windows)
    assert "CAM_FRONT_LEFT" not in windows
    (cloud,) = (each for each in shown if each["Name"] == "Occupancy")
    assert cloud["Topic"]["Value"] == "/car1/occ_node/output/points"


def test_rviz_asks_for_raw_images_where_the_rig_has_those(repository):
    shipped = (repository / "config" / "rviz" / "occ.rviz").read_text()
    raw = CameraTopics("CAM_FRONT", "/front/raw", "", False, 0.0)
    assert "/compressed" not in rviz_config(shipped, small_rig(cameras=(raw,)))


def test_the_shipped_rviz_file_is_the_nuscenes_rig_s(repository):
    shipped = (repository / "config" / "rviz" / "occ.rviz").read_text()
    rig = load_rig("nuscenes")
    assert yaml.safe_load(rviz_config(shipped, rig)) == yaml.safe_load(shipped)
    topics = dict(rviz_remappings(rig, "/occ_node", "car1"))
    image = "/occ_node/input/CAM_FRONT/image/compressed"
    assert topics[image] == "/car1/CAM_FRONT/image_rect_compressed"


def test_odometry_further_lidars_and_clocks_of_a_rig_become_parameters():
    camera = CameraTopics("CAM_FRONT", "/front", clock_offset_s=-0.25)
    rear = LidarTopics("REAR", "/rear/points")
    rig = Rig("mine", (camera,), "/points", odometry="/odom", lidars=(rear,))
    parameters = rig_parameters(rig)
    assert parameters["odometry"] is True
    assert parameters["clock_offsets"] == ["CAM_FRONT=-0.25"]
    assert parameters["other_lidars"] == ["REAR"]
    remappings = rig_remappings(rig)
    assert ("~/input/odometry", "/odom") in remappings
    assert ("~/input/REAR/points", "/rear/points") in remappings


@pytest.mark.parametrize(
    ("changes", "model", "anchor"),
    [
        ({"cameras": ()}, "lidar_tiny", ""),
        ({"points": "", "cameras": (CameraTopics("CAM_BACK", "/b"),)}, "vision_tiny", "CAM_BACK"),
        ({"cameras": (CameraTopics("CAM_BACK", "/b"),)}, "vision_tiny", "CAM_BACK"),
        ({"max_extrapolation_s": 3600.0, "intensity_scale": 1e6}, "fusion_tiny", ""),
        ({"tf_clock_offset_s": -37.0, "points_clock_offset_s": 1e9}, "fusion_tiny", ""),
    ],
)
def test_the_node_takes_every_rig_that_a_bag_is_processed_with(changes, model, anchor):
    settings = NodeSettings().changed(rig_parameters(small_rig(**changes)))
    assert stream_config(settings, load_preset(model)).anchor == anchor
