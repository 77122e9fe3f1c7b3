# SPDX-License-Identifier: Apache-2.0
"""occ.launch.py by launch_testing: the node comes up, answers sensors, and ends with 0.

colcon runs it where launch_testing is installed, and so does `launch_test` by hand.
"""

import sys
import tempfile
import unittest
from contextlib import ExitStack
from pathlib import Path

import launch_testing
import launch_testing.actions
import launch_testing.asserts
from launch.actions import IncludeLaunchDescription, SetEnvironmentVariable
from launch.launch_description_sources import PythonLaunchDescriptionSource

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from helpers.ros_processes import Stage
from helpers.tiny_model import make_tiny_checkpoint
from helpers.toy_drive import drive
from helpers.waiting import wait_until

from effocc_ros.msg import SemanticOccupancy
from effocc_ros.nodes.domains import own_domain
from effocc_ros.resources import resource_path
from launch import LaunchDescription

HELD = ExitStack()
"""The ROS domain and the folder of this process."""

DOMAIN = HELD.enter_context(own_domain())
FOLDER = Path(HELD.enter_context(tempfile.TemporaryDirectory()))


def generate_test_description() -> LaunchDescription:
    """Launch the node with a small network."""
    model = make_tiny_checkpoint(FOLDER / "tiny.safetensors")
    file = str(resource_path("launch/occ.launch.py"))
    arguments = {"model": str(model), "device": "cpu", "threads": "1", "max_wait": "10.0"}
    return LaunchDescription(
        [
            SetEnvironmentVariable("ROS_DOMAIN_ID", str(DOMAIN)),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(file), launch_arguments=arguments.items()
            ),
            launch_testing.actions.ReadyToTest(),
        ]
    )


class TestOccupancy(unittest.TestCase):
    """While the node runs."""

    def test_two_moments_of_all_sensors_are_answered_by_an_occupancy(self):
        stage = Stage(FOLDER, DOMAIN)
        self.addCleanup(stage.close)
        heard = stage.peer.listen(SemanticOccupancy, "/occ_node/output/occupancy")
        stage.send(drive(2))
        wait_until(lambda: heard, "an occupancy", 120)
        assert heard[0].mode == "fusion"
        assert len(heard[0].inputs) == 7


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    """Once launch has ended it."""

    def test_the_node_ends_with_0(self, proc_info):
        launch_testing.asserts.assertExitCodes(proc_info)
