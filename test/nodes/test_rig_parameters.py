"""A rig decides parameters and remappings."""

import shlex

import pytest

from effocc_ros.errors import InputError
from effocc_ros.nodes.rig_parameters import (
    rig_arguments,
    rig_parameters,
    rig_remappings,
    rviz_config,
    rviz_remappings,
)
from effocc_ros.rig import CameraTopics, Rig, load_rig

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
        "reliability": "reliable",
        "calibration": None,
    }
    return Rig(**{**fields, **changes})


def test_cameras_keep_their_order_and_offsets():
    parameters = rig_parameters(small_rig())
    assert parameters["cameras"] == ["CAM_FRONT", "CAM_BACK"]
    assert parameters["camera_offsets"] == [0.01, -0.02]
    assert parameters["image_transport"] == "compressed"
    assert (parameters["base_frame"], parameters["fixed_frame"]) == ("base", "odom")
    assert parameters["reliability"] == "reliable"
    assert "calibration" not in parameters


def test_each_topic_that_the_rig_has_is_remapped():
    assert rig_remappings(small_rig()) == [
        ("~/input/CAM_FRONT/image", "/front/jpeg"),
        ("~/input/CAM_FRONT/camera_info", "/front/camera_info"),
        ("~/input/CAM_BACK/image", "/back/jpeg"),
        ("~/input/points", "/lidar"),
    ]


def test_a_rig_with_two_transports_is_refused():
    raw = CameraTopics("CAM_BACK", "/back/raw", "", False, 0.0)
    with pytest.raises(InputError, match="one transport for all cameras"):
        rig_parameters(small_rig(cameras=(FRONT, raw)))


def test_arguments_survive_the_shell_and_name_everything():
    arguments = rig_arguments(small_rig())
    assert "cameras:=['CAM_FRONT', 'CAM_BACK']" in arguments
    assert "~/input/points:=/lidar" in arguments
    assert shlex.split(shlex.join(arguments)) == arguments


def test_the_image_panels_show_the_transport_that_the_rig_has(repository):
    shipped = (repository / "config" / "rviz" / "occ.rviz").read_text()
    raw = CameraTopics("CAM_FRONT", "/front/raw", "", False, 0.0)
    assert rviz_config(shipped, small_rig()) == shipped
    assert "/compressed" not in rviz_config(shipped, small_rig(cameras=(raw,)))


def test_the_shipped_panels_are_the_nuscenes_rig_s(repository):
    shipped = (repository / "config" / "rviz" / "occ.rviz").read_text()
    for name, topic in rviz_remappings(load_rig("nuscenes")):
        assert f"Value: {name}\n" in shipped
        assert topic.startswith("/CAM_")
