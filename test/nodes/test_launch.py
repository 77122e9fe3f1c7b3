# SPDX-License-Identifier: Apache-2.0
"""Launch files and the RViz file, as far as they can be looked at without launch and RViz."""

import ast
from dataclasses import asdict

import pytest
import yaml

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from effocc_ros.errors import InputError
from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.nodes.launch_arguments import NODE, PLAYER, given_parameters, in_namespace
from effocc_ros.nodes.player_settings import PlayerSettings


@pytest.fixture
def displays(repository):
    text = (repository / "config" / "rviz" / "occ.rviz").read_text()
    manager = yaml.safe_load(text)["Visualization Manager"]
    assert manager["Global Options"]["Fixed Frame"] == "base_link"
    return {display["Name"]: display for display in manager["Displays"]}


@pytest.mark.parametrize("name", ["occ", "replay"])
def test_a_launch_file_compiles_and_has_its_entry(repository, name):
    path = repository / "launch" / f"{name}.launch.py"
    tree = ast.parse(path.read_text())
    compile(tree, str(path), "exec")
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert "generate_launch_description" in functions


def test_launch_arguments_are_parameters_of_the_nodes_with_their_types(repository):
    text = (repository / "config" / "occ.param.yaml").read_text()
    defaults = yaml.safe_load(text)["/**"]["ros__parameters"]
    player = asdict(PlayerSettings())
    for table, known in ((NODE, {**defaults, "use_sim_time": False}), (PLAYER, player)):
        for name, (kind, _) in table.items():
            assert type(known[name]) is kind, name


def test_texts_become_values_of_the_right_type():
    texts = {"tolerance": "1", "threads": " 2 ", "autostart": "False", "use_sim_time": "1"}
    assert given_parameters(NODE, {**texts, "device": "", "rig": "nuscenes"}) == {
        "tolerance": 1.0,
        "threads": 2,
        "autostart": False,
        "use_sim_time": True,
    }


@pytest.mark.parametrize(("name", "text"), [("autostart", "maybe"), ("threads", "1.5")])
def test_a_text_of_another_type_is_refused_by_the_argument_s_name(name, text):
    with pytest.raises(InputError, match=f"launch argument {name}: found '{text}'"):
        given_parameters(NODE, {name: text})


@pytest.mark.parametrize("namespace", ["car1", "/car1", "/car1/"])
def test_a_topic_moves_below_a_namespace(namespace):
    assert in_namespace(namespace, "/tf") == "/car1/tf"
    assert in_namespace("", "/tf") == "/tf"


def test_rviz_shows_the_cloud_as_boxes_of_a_voxel(displays):
    cloud = displays["Occupancy"]
    assert cloud["Topic"]["Value"] == "/occ_node/output/points"
    assert cloud["Topic"]["Reliability Policy"] == "Reliable"
    assert (cloud["Style"], cloud["Size (m)"], cloud["Color Transformer"]) == (
        "Boxes",
        0.4,
        "RGB8",
    )


def test_rviz_shows_six_images_and_the_grid_and_hides_the_markers(displays):
    assert all(displays[name]["Enabled"] for name in NUSCENES_CAMERAS)
    assert displays["Bird's-eye grid"]["Topic"]["Durability Policy"] == "Transient Local"
    assert not displays["Occupancy markers"]["Enabled"]
