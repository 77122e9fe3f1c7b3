# SPDX-License-Identifier: Apache-2.0
"""Settings: one class that declares, checks and documents, and decides what frames are made of."""

import re
from dataclasses import fields

import pytest

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from effocc_ros.errors import InputError
from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.nodes.parameters import (
    constraint,
    descriptor,
    ros_value,
    unknown_names,
)
from effocc_ros.nodes.settings import NodeSettings
from effocc_ros.nodes.stream_settings import stream_config
from effocc_ros.presets import load_preset

OFFSETS = (-0.043, -0.035, -0.028, -0.001, -0.010, -0.019)


@pytest.mark.parametrize("each", fields(NodeSettings), ids=lambda each: each.name)
def test_each_descriptor_says_what_it_is(each):
    described = descriptor(each)
    assert described.description.endswith((".", "s.)"))
    assert not described.read_only
    if each.metadata["lower"] is not None:
        (limits,) = described.integer_range or described.floating_point_range
        assert limits.from_value <= each.default <= limits.to_value
        assert constraint(each)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"precision": "float8"}, "parameter precision: found 'float8'; expected one of: float32"),
        ({"image_transport": "theora"}, "raw, compressed"),
        ({"grid_min_height": 3.0}, "grid_min_height, grid_max_height: found 3.0 m, 2.2 m"),
        ({"markers_max_height": -100.0}, "markers_max_height"),
        ({"cameras": ["A"], "camera_offsets": [0.0, 0.1]}, "2 offsets for 1 cameras"),
        ({"tolerance": "wide"}, "parameter tolerance: found 'wide'; expected a number"),
        ({"tolerance": 11}, "tolerance: found 11.0; expected 0.0 to 10.0"),
        ({"sweeps": 1.5}, "sweeps: found 1.5; expected a whole number"),
        ({"confidence": 1}, "confidence: found 1; expected true or false"),
        ({"cameras": "CAM_FRONT"}, "cameras: found 'CAM_FRONT'; expected a list of texts"),
        ({"cameras": [1, 2]}, "a list of texts"),
        ({"cameras": ["A", "B", "A"]}, "cameras, lidar, other_lidars: found 'A'; expected a name"),
        ({"other_lidars": ["LIDAR_TOP"]}, "other_lidars: found 'LIDAR_TOP'"),
        ({"lidar": "CAM_FRONT"}, "other_lidars: found 'CAM_FRONT'"),
        ({"lidar": ""}, "other_lidars: found ''"),
        ({"cameras": ["tf"]}, "other_lidars: found 'tf'"),
        ({"other_lidars": ["2nd"]}, "cameras, other_lidars: found '2nd'; expected letters"),
        ({"cameras": ["front-left", "a b"]}, "found 'front-left', 'a b'; expected letters"),
        ({"cameras": ["rear/"]}, "found 'rear/'"),
        ({"base_frame": "/"}, "base_frame: found '/'; expected a tf frame"),
        ({"tolerance": float("nan")}, "tolerance: found nan"),
        ({"camera_offsets": ["a"]}, "camera_offsets: found ['a']; expected a list of numbers"),
        ({"threads": True}, "threads: found True; expected a whole number"),
        ({"model": None}, "model: found None; expected a text"),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(change, named):
    with pytest.raises(InputError, match=re.escape(named)):
        NodeSettings().changed(change)


def test_names_of_sensors_may_have_parts():
    settings = NodeSettings().changed({"cameras": ["rig/front", "_2"], "other_lidars": ["L2"]})
    assert settings.cameras == ("rig/front", "_2")


def test_whole_numbers_stand_for_numbers_and_nothing_for_an_empty_list():
    settings = NodeSettings().changed(
        {"tolerance": 1, "cameras": ["A", "B"], "camera_offsets": [0, 1], "use_sim_time": True}
    )
    assert (settings.tolerance, settings.camera_offsets) == (1.0, (0.0, 1.0))
    assert isinstance(settings.tolerance, float)
    for none in (None, [], [""]):
        assert NodeSettings().changed({"cameras": none}).cameras == ()
    (cameras,) = [each for each in fields(NodeSettings) if each.name == "cameras"]
    assert ros_value(cameras, ()) == [""]


def test_an_unknown_name_is_said_with_the_nearest_one():
    lines = unknown_names(["modle", "device", "use_sim_time", "zzz"], ["model", "device"])
    assert lines == [
        "parameter modle: there is none of this name; it is ignored; did you mean model?",
        "parameter zzz: there is none of this name; it is ignored; see `ros2 param list`",
    ]


# ---- what frames are made of ------------------------------------------------------------------


def config_of(model, **changes):
    settings = NodeSettings().changed({"camera_offsets": OFFSETS, **changes})
    return stream_config(settings, load_preset(model))


def test_a_fusion_model_is_triggered_by_the_lidar():
    config = config_of("fusion_r18")
    assert config.anchor == ""
    assert config.standby[0] == "CAM_FRONT"
    assert set(config.standby) == set(NUSCENES_CAMERAS)
    assert config.sync.cameras == NUSCENES_CAMERAS
    assert config.sync.offsets["CAM_FRONT"] == -0.035
    assert config.sweeps == 9


def test_a_vision_model_is_triggered_by_its_anchor_and_by_other_cameras_without_it():
    config = config_of("vision_r50")
    assert config.anchor == "CAM_FRONT"
    assert config.sync.offsets["CAM_FRONT"] == -0.035
    assert config.standby == tuple(name for name in NUSCENES_CAMERAS if name != "CAM_FRONT")


def test_a_lidar_model_waits_for_no_camera():
    assert config_of("lidar").sync.cameras == ()
    assert NodeSettings().unknown_cameras(load_preset("lidar")) == ()


def test_cameras_that_the_model_does_not_know_are_left_out_and_named():
    rig = NodeSettings(cameras=("CAM_FRONT", "CAM_ROOF"))
    assert stream_config(rig, load_preset("fusion_r18")).sync.cameras == ("CAM_FRONT",)
    assert rig.unknown_cameras(load_preset("fusion_r18")) == ("CAM_ROOF",)


@pytest.mark.parametrize(
    ("anchor", "model", "stand_in"),
    [
        ("CAM_BACK", "fusion_r18", ""),
        ("CAM_ROOF", "fusion_r18", "CAM_FRONT_LEFT"),
        ("front", "fusion_r18", "CAM_FRONT_LEFT"),
        ("front", "lidar", ""),
        ("front", "openoccupancy_fusion_r18", ""),
    ],
)
def test_an_anchor_camera_that_a_model_does_not_use_has_a_stand_in(anchor, model, stand_in):
    rig = NodeSettings(cameras=("CAM_ROOF", *NUSCENES_CAMERAS), anchor_camera=anchor)
    assert rig.stand_in_anchor(load_preset(model)) == stand_in
    if stand_in:
        assert stream_config(rig, load_preset(model)).standby[0] == stand_in


def test_a_rig_none_of_whose_cameras_the_model_knows_is_refused():
    rig = NodeSettings(cameras=("front", "rear"))
    with pytest.raises(InputError, match=r"cameras: found front, rear; expected names.*CAM_FRONT"):
        stream_config(rig, load_preset("fusion_r18"))
    assert stream_config(NodeSettings(cameras=()), load_preset("fusion_r18")).sync.cameras == ()


@pytest.mark.parametrize(
    ("synchronizer", "model", "anchor"),
    [("lidar", "vision_r50", ""), ("anchor", "fusion_r18", "CAM_FRONT")],
)
def test_the_synchronizer_may_be_chosen(synchronizer, model, anchor):
    assert config_of(model, synchronizer=synchronizer).anchor == anchor


def test_an_anchor_that_the_rig_lacks_is_named():
    with pytest.raises(InputError, match=r"anchor_camera: found 'CAM_ROOF'.*CAM_FRONT"):
        config_of("vision_r50", anchor_camera="CAM_ROOF")


def test_the_number_of_sweeps_may_be_chosen():
    assert config_of("fusion_r18", sweeps=3).sweeps == 3


def test_a_network_that_squashes_intensity_gets_it_as_the_lidar_gives_it():
    assert stream_config(NodeSettings(), load_preset("lidar")).learn_intensity
    assert not stream_config(NodeSettings(), load_preset("waymo_lidar")).learn_intensity


def test_auto_loads_the_networks_of_all_three_kinds():
    settings = NodeSettings(model="auto", lidar_model="lidar_tiny")
    assert settings.network[0] == ("fusion_r18", "vision_r50", "lidar_tiny")
    assert NodeSettings(model="vision").network[0] == ("vision_r50",)
    assert NodeSettings(model="some.safetensors").network[0] == ("some.safetensors",)


def test_clock_offsets_are_texts_of_name_and_seconds():
    settings = NodeSettings(clock_offsets=("CAM_FRONT=-0.25", "tf = 0.1"))
    config = stream_config(settings, load_preset("fusion_tiny"))
    assert config.clock_offsets == {"CAM_FRONT": -0.25, "tf": 0.1}
    for text in ("CAM_FRONT", "=1", "tf=soon"):
        with pytest.raises(InputError, match="parameter clock_offsets"):
            NodeSettings(clock_offsets=(text,))


@pytest.mark.parametrize("text", ["CAM_FRONT=nan", "tf=inf", "CAM_FRNT=-0.2", "x", "=1"])
def test_clock_offsets_that_are_no_seconds_of_an_input_are_refused(text):
    with pytest.raises(InputError, match="clock_offsets"):
        NodeSettings().changed({"clock_offsets": [text]})


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1e9])
def test_camera_offsets_that_are_no_seconds_are_refused(seconds):
    with pytest.raises(InputError, match="camera_offsets"):
        NodeSettings().changed({"cameras": ["A"], "camera_offsets": [seconds]})
