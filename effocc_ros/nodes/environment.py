# SPDX-License-Identifier: Apache-2.0
"""One ROS 2 at a time: the wheels' libraries crash beside those of an installation."""

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from effocc_ros.errors import InputError

WHEELS = "ros_wheels_bootstrapper"


def sourced_ros(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the variable that points at a ROS 2 installation, or None.

    Args:
        environment: Environment variables.

    Returns:
        ``NAME=entry`` of the first entry found outside the running Python's own prefix.
    """
    own = Path(sys.prefix)
    for name, is_ros in (("AMENT_PREFIX_PATH", _is_ros), ("PYTHONPATH", _has_rclpy)):
        for entry in filter(None, environment.get(name, "").split(os.pathsep)):
            path = Path(entry)
            if is_ros(path) and path != own and own not in path.parents:
                return f"{name}={entry}"
    return None


def check_environment(environment: Mapping[str, str] = os.environ) -> None:
    """Refuse to run on ROS 2 wheels in a shell with a ROS 2 sourced.

    Args:
        environment: Environment variables.

    Raises:
        InputError: Both are there; loading either's libraries would end in a crash.
    """
    sourced = sourced_ros(environment)
    if sourced is None or importlib.util.find_spec(WHEELS) is None:
        return
    raise InputError(
        "environment",
        found=f"a sourced ROS 2 ({sourced}) beside the ROS 2 wheels of {sys.prefix}",
        expected="one of the two",
        do="Open a shell without ROS sourced; with ROS, build with colcon (README)",
        reason="two_ros",
    )


def _is_ros(path: Path) -> bool:
    # A workspace that was built on the wheels is on the path too, and is no ROS of its own.
    return path.is_relative_to("/opt/ros") or (path / "lib/librcl.so").exists()


def _has_rclpy(path: Path) -> bool:
    return path.is_relative_to("/opt/ros") or (path / "rclpy").is_dir()
