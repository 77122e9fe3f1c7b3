"""Parameters and a model decide what the stream makes frames of."""

from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from effocc_ros.errors import InputError
from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.nodes.parameters import PARAMETERS
from effocc_ros.nodes.stream_settings import stream_config
from effocc_ros.presets import load_preset

OFFSETS = [-0.043, -0.035, -0.028, -0.001, -0.010, -0.019]


def settings(**changes):
    values = {spec.name: spec.default for spec in PARAMETERS}
    return SimpleNamespace(**{**values, "camera_offsets": OFFSETS, **changes})


def test_a_fusion_model_is_triggered_by_the_lidar():
    config = stream_config(settings(), load_preset("fusion_r18"))
    assert config.anchor == ""
    assert config.sync.cameras == NUSCENES_CAMERAS
    assert config.sync.offsets["CAM_FRONT"] == -0.035
    assert config.sweeps == 9


def test_a_vision_model_is_triggered_by_its_anchor_and_offsets_count_from_there():
    config = stream_config(settings(), load_preset("vision_r50"))
    assert config.anchor == "CAM_FRONT"
    assert config.matching.offsets["CAM_FRONT"] == 0.0
    assert config.matching.offsets["CAM_BACK"] == pytest.approx(0.025)


def test_a_lidar_model_waits_for_no_camera():
    assert stream_config(settings(), load_preset("lidar")).sync.cameras == ()


def test_cameras_that_the_model_has_no_place_for_are_left_out():
    rig = settings(cameras=["CAM_FRONT", "CAM_ROOF"], camera_offsets=[0.0, 0.0])
    assert stream_config(rig, load_preset("fusion_r18")).sync.cameras == ("CAM_FRONT",)


@pytest.mark.parametrize(
    ("synchronizer", "model", "anchor"),
    [
        ("lidar", "vision_r50", ""),
        ("anchor", "fusion_r18", "CAM_FRONT"),
        ("approximate", "fusion_r18", ""),
    ],
)
def test_the_synchronizer_may_be_chosen(synchronizer, model, anchor):
    config = stream_config(settings(synchronizer=synchronizer), load_preset(model))
    assert config.anchor == anchor


def test_an_anchor_that_the_rig_lacks_is_named():
    rig = settings(anchor_camera="CAM_ROOF")
    with pytest.raises(InputError, match=r"anchor_camera: found 'CAM_ROOF'.*CAM_FRONT"):
        stream_config(rig, load_preset("vision_r50"))


def test_the_number_of_sweeps_may_be_chosen():
    assert stream_config(settings(sweeps=3), load_preset("fusion_r18")).sweeps == 3


def test_a_network_that_squashes_intensity_gets_it_as_the_lidar_gives_it():
    assert stream_config(settings(), load_preset("lidar")).learn_intensity
    assert not stream_config(settings(), load_preset("waymo_lidar")).learn_intensity
