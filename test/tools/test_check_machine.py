# SPDX-License-Identifier: Apache-2.0
"""What `make` says where it cannot build."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def check(repository):
    def run(**environment):
        command = [sys.executable, str(repository / "tools/check_machine.py")]
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AMENT", "PYTHONPATH"))}
        return subprocess.run(
            command, env={**clean, **environment}, capture_output=True, text=True
        )

    return run


def test_a_machine_with_everything_is_silently_fit(check):
    run = check()
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_a_sourced_ros_is_refused_with_what_to_do(check):
    run = check(AMENT_PREFIX_PATH="/opt/ros/jazzy")
    assert run.returncode == 1
    assert "open a shell without ROS sourced" in run.stderr
    assert "colcon" in run.stderr


def test_each_missing_compiler_is_named_with_its_package(check, tmp_path):
    run = check(PATH=str(tmp_path))
    assert run.returncode == 1
    assert "gcc not found: sudo apt install gcc" in run.stderr
    assert "g++ not found: sudo apt install g++" in run.stderr
