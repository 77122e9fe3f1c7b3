"""Launch files and the RViz file, as far as they can be looked at without launch and RViz."""

import ast
from dataclasses import fields

import pytest
import yaml

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.nodes.player_parameters import PARAMETERS as PLAYER_PARAMETERS
from effocc_ros.nodes.settings import NodeSettings


@pytest.fixture
def displays(repository):
    text = (repository / "config" / "rviz" / "occ.rviz").read_text()
    manager = yaml.safe_load(text)["Visualization Manager"]
    assert manager["Global Options"]["Fixed Frame"] == "base_link"
    return {display["Name"]: display for display in manager["Displays"]}


def constant(path, name):
    """Return a module's constant without importing the module."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return node.value
    raise AssertionError(f"{path} has no {name}")


@pytest.mark.parametrize("name", ["occ", "replay"])
def test_a_launch_file_compiles_and_has_its_entry(repository, name):
    path = repository / "launch" / f"{name}.launch.py"
    tree = ast.parse(path.read_text())
    compile(tree, str(path), "exec")
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert "generate_launch_description" in functions


def test_what_the_launch_file_overrides_are_parameters_of_the_node(repository):
    overrides = constant(repository / "launch" / "occ.launch.py", "OVERRIDES")
    names = {key.value for key in overrides.keys}
    assert names
    assert names <= {each.name for each in fields(NodeSettings)}


def test_what_the_replay_gives_are_parameters_of_the_player(repository):
    given = ast.unparse(constant(repository / "launch" / "replay.launch.py", "PLAYER"))
    names = {row.elts[0].value for row in ast.parse(given).body[0].value.elts}
    assert names
    assert names <= {name for name, *_ in PLAYER_PARAMETERS}


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
