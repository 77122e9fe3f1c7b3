# SPDX-License-Identifier: Apache-2.0
"""Wheels and a sourced ROS 2 never run together."""

import importlib.util
import subprocess
import sys

import pytest
from helpers.environments import code_environment

from effocc_ros.errors import InputError
from effocc_ros.nodes.environment import WHEELS, check_environment, sourced_ros

SOURCED = {"AMENT_PREFIX_PATH": "/opt/ros/jazzy"}


def test_a_plain_shell_has_no_ros():
    assert sourced_ros({"PATH": "/usr/bin", "AMENT_PREFIX_PATH": "", "PYTHONPATH": ""}) is None


def test_an_ament_prefix_is_a_sourced_ros():
    assert sourced_ros(SOURCED) == "AMENT_PREFIX_PATH=/opt/ros/jazzy"


def test_a_prefix_with_ros_libraries_is_a_sourced_ros_and_a_workspace_is_not(tmp_path):
    prefix = {"AMENT_PREFIX_PATH": str(tmp_path)}
    assert sourced_ros(prefix) is None
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/librcl.so").touch()
    assert sourced_ros(prefix) == f"AMENT_PREFIX_PATH={tmp_path}"


def test_a_python_path_into_opt_ros_is_a_sourced_ros():
    path = "/opt/ros/humble/lib/python3.10/site-packages"
    assert sourced_ros({"PYTHONPATH": f"/home/me:{path}"}) == f"PYTHONPATH={path}"


def test_a_python_path_with_an_rclpy_is_a_sourced_ros(tmp_path):
    assert sourced_ros({"PYTHONPATH": str(tmp_path)}) is None
    (tmp_path / "rclpy").mkdir()
    assert sourced_ros({"PYTHONPATH": str(tmp_path)}) == f"PYTHONPATH={tmp_path}"


def test_the_own_prefix_is_no_sourced_ros():
    assert sourced_ros({"AMENT_PREFIX_PATH": sys.prefix}) is None


def test_wheels_beside_a_sourced_ros_are_refused(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    with pytest.raises(InputError, match="Open a shell without ROS sourced") as error:
        check_environment(SOURCED)
    assert error.value.reason == "two_ros"


def test_a_sourced_ros_alone_is_welcome(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    check_environment(SOURCED)


@pytest.mark.skipif(importlib.util.find_spec(WHEELS) is None, reason="ROS 2 wheels absent")
@pytest.mark.parametrize("node", ["occ_node", "bag_player"])
def test_a_node_started_in_such_a_shell_says_so_in_one_line(node):
    code = f"import sys; from effocc_ros.nodes.executables import {node}; sys.exit({node}())"
    command = [sys.executable, "-c", code]
    environment = SOURCED | {"PYTHONPATH": code_environment()["PYTHONPATH"]}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.startswith(f"{node}: environment: found a sourced ROS 2")
    assert run.stderr.count("\n") == 1
