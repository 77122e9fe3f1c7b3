# SPDX-License-Identifier: Apache-2.0
"""A ROS domain per test, and a small network for the nodes in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from helpers.ros_processes import Stage, ros_stage
from helpers.tiny_model import make_tiny_checkpoint


@pytest.fixture
def stage(tmp_path) -> Iterator[Stage]:
    """Give a ROS domain in which nothing runs yet."""
    with ros_stage(tmp_path) as stage:
        yield stage


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory) -> dict[str, Path]:
    """Give a small checkpoint of each modality."""
    folder = tmp_path_factory.mktemp("models")
    return {
        modality: make_tiny_checkpoint(folder / f"tiny_{modality}.safetensors", modality)
        for modality in ("fusion", "vision", "lidar")
    }
