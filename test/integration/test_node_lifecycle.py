# SPDX-License-Identifier: Apache-2.0
"""The node comes up, goes down and ends as ROS 2 asks."""

import os
import re
import signal
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from helpers.diagnostics import told
from helpers.ros_processes import set_parameter
from helpers.toy_drive import TOPICS, lidar_drive, make_toy_bag
from helpers.waiting import wait_until
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState

from effocc_ros.msg import SemanticOccupancy
from effocc_ros.nodes.to_message import stamp_of

pytestmark = pytest.mark.integration

OCCUPANCY = "/occ_node/output/occupancy"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_node_with_0(stage, tiny_models, number):
    node = stage.start_node(model=tiny_models["lidar"])
    stage.send(lidar_drive(2))
    assert node.signal(number) == 0
    assert "Traceback" not in node.text


def test_the_node_takes_part_in_no_shared_memory_by_itself(stage, tiny_models):
    node = stage.start_node(model=tiny_models["lidar"])
    assert shared_memory_of(node.process.pid) == set()
    assert shared_memory_of(os.getpid()), "Fast DDS maps no such files any more"


def test_a_bag_in_a_loop_goes_on_until_a_signal_ends_its_player_with_0(
    stage, tiny_models, tmp_path
):
    moments = 12
    bag = make_toy_bag(tmp_path / "drive", moments)
    occupancies = stage.peer.listen(SemanticOccupancy, OCCUPANCY)
    stage.start_node(model=tiny_models["lidar"])
    player = stage.start(
        "bag_player", bag=bag, loop=True, lockstep=True, rate=100.0, wait_for=TOPICS
    )
    wait_until(lambda: len(occupancies) > 2 * moments, "the third round", 120)
    assert player.signal(signal.SIGTERM) == 0
    assert "Traceback" not in player.text
    stamps = [stamp_of(message.header.stamp) for message in occupancies]
    assert stamps[:moments] == stamps[moments : 2 * moments]


def test_a_manager_takes_the_node_through_its_states(stage, tiny_models):
    node = stage.start_node(active=False, autostart=False, model="nonsense_r99")
    assert state(stage) == State.PRIMARY_STATE_UNCONFIGURED
    assert not change_state(stage, Transition.TRANSITION_CONFIGURE)
    assert "nonsense_r99" in node.text
    assert state(stage) == State.PRIMARY_STATE_UNCONFIGURED

    assert set_parameter(stage, "model", str(tiny_models["lidar"])).successful
    for transition, expected in (
        (Transition.TRANSITION_CONFIGURE, State.PRIMARY_STATE_INACTIVE),
        (Transition.TRANSITION_ACTIVATE, State.PRIMARY_STATE_ACTIVE),
        (Transition.TRANSITION_DEACTIVATE, State.PRIMARY_STATE_INACTIVE),
        (Transition.TRANSITION_CLEANUP, State.PRIMARY_STATE_UNCONFIGURED),
        (Transition.TRANSITION_CONFIGURE, State.PRIMARY_STATE_INACTIVE),
        (Transition.TRANSITION_ACTIVATE, State.PRIMARY_STATE_ACTIVE),
    ):
        assert change_state(stage, transition)
        assert state(stage) == expected
    occupancies = stage.peer.listen(SemanticOccupancy, OCCUPANCY)
    wait_until(lambda: stage.peer.node.count_publishers(OCCUPANCY), "the publisher")
    stage.send(lidar_drive(1))
    wait_until(lambda: occupancies, "an occupancy after the second activation")

    # In the middle of a change of networks.
    assert set_parameter(stage, "model", str(tiny_models["fusion"])).successful
    assert change_state(stage, Transition.TRANSITION_DEACTIVATE)
    assert change_state(stage, Transition.TRANSITION_ACTIVATE)
    diagnostics = stage.peer.listen(DiagnosticArray, "/diagnostics")
    wait_until(lambda: told(diagnostics, "model") == "tiny_fusion", "the new network")
    assert change_state(stage, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert state(stage) == State.PRIMARY_STATE_FINALIZED
    assert node.signal(signal.SIGTERM) == 0


def test_an_activation_that_fails_leaves_nothing_behind(stage, tiny_models, tmp_path):
    file = tmp_path / "calibration.yaml"
    file.write_text("{}\n")
    node = stage.start_node(
        active=False, autostart=False, model=tiny_models["lidar"], calibration=file
    )
    assert change_state(stage, Transition.TRANSITION_CONFIGURE)
    text = file.read_text()
    file.unlink()
    assert not change_state(stage, Transition.TRANSITION_ACTIVATE)
    assert f"activate failed: calibration file {file}" in node.text
    assert state(stage) == State.PRIMARY_STATE_INACTIVE
    for topic in ("/diagnostics", "/occ_node/output/handled"):
        wait_until(lambda t=topic: not stage.peer.node.count_publishers(t), "their end")
    file.write_text(text)
    assert change_state(stage, Transition.TRANSITION_ACTIVATE)
    occupancies = stage.peer.listen(SemanticOccupancy, OCCUPANCY)
    stage.send(lidar_drive(1))
    wait_until(lambda: occupancies, "an occupancy")


def test_two_outputs_on_one_topic_are_refused_by_name(stage, tiny_models):
    remapped = ("~/output/points:=/both", "~/output/markers:=/both")
    node = stage.start_node(active=False, remapped=remapped, model=tiny_models["lidar"])
    assert node.wait(60) == 1
    assert "configure failed: output /both: found" in node.text
    assert "Check the remappings" in node.text


def test_a_node_that_starts_itself_and_cannot_ends_with_1(stage):
    node = stage.start_node(active=False, model="nonsense_r99")
    assert node.wait(60) == 1
    assert "nonsense_r99" in node.text
    assert "Traceback" not in node.text


def state(stage) -> int:
    answer = stage.peer.ask(GetState, "/occ_node/get_state", GetState.Request())
    return answer.current_state.id


def change_state(stage, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return stage.peer.ask(ChangeState, "/occ_node/change_state", request).success


def shared_memory_of(pid: int) -> set[str]:
    """Return the files through which Fast DDS lets processes share memory that one has mapped."""
    return set(re.findall(r"/dev/shm/fast\w+", Path(f"/proc/{pid}/maps").read_text()))
