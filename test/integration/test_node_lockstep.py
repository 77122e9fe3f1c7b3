"""A bag goes through the player, DDS and the node, and nothing is lost."""

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from helpers.diagnostics import told
from helpers.toy_drive import PERIOD, START, TOPICS, make_toy_bag
from helpers.waiting import wait_until

from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.msg import SemanticOccupancy
from effocc_ros.nodes.to_message import stamp_of

pytestmark = pytest.mark.integration

MOMENTS = 5
PLAYER = {"lockstep": True, "wait_for": TOPICS, "rate": 2.0}


def test_every_keyframe_of_a_bag_becomes_one_message(stage, tiny_models, tmp_path):
    bag = make_toy_bag(tmp_path / "drive", MOMENTS)
    occupancies = stage.peer.listen(SemanticOccupancy, "/occ_node/output/occupancy")
    diagnostics = stage.peer.listen(DiagnosticArray, "/diagnostics")
    stage.start_node(model=tiny_models["fusion"])
    player = stage.start("bag_player", bag=bag, **PLAYER)

    assert player.wait(90) == 0, player.text
    assert f"{MOMENTS} of {MOMENTS} keyframes answered" in player.text
    wait_until(lambda: len(occupancies) == MOMENTS, f"{MOMENTS} messages")
    stamps = [stamp_of(message.header.stamp) for message in occupancies]
    assert stamps == [START + number * PERIOD for number in range(MOMENTS)]
    for message in occupancies:
        assert message.header.frame_id == "base_link"
        assert list(message.inputs) == [*NUSCENES_CAMERAS, "LIDAR_TOP"]
        assert (message.model, message.mode, message.trained) == ("tiny_fusion", "fusion", True)

    wait_until(lambda: told(diagnostics, "frames_out") == str(MOMENTS), "the count of frames")
    assert told(diagnostics, "frames_in") == str(MOMENTS)
    assert told(diagnostics, "handled_until") == str(stamps[-1])
    assert float(told(diagnostics, "network_ms")) > 0
    assert told(diagnostics, "count", "input CAM_BACK") == str(MOMENTS)


def test_a_player_whom_nobody_hears_says_so_and_fails(stage, tmp_path):
    bag = make_toy_bag(tmp_path / "drive", 1)
    player = stage.start("bag_player", bag=bag, wait_for=["/LIDAR_TOP"], wait_timeout=0.5)
    assert player.wait(30) == 1
    assert "listeners of /LIDAR_TOP: found none within 0.5 s" in player.text


def test_a_player_without_a_node_gives_up_each_keyframe_and_ends_well(stage, tmp_path):
    bag = make_toy_bag(tmp_path / "drive", 2)
    player = stage.start("bag_player", bag=bag, lockstep=True, timeout=0.3)
    assert player.wait(30) == 0
    assert player.text.count("no answer from /occ_node within 0.3 s") == 2
    assert "0 of 2 keyframes answered" in player.text


def test_a_bag_that_is_not_there_ends_the_player_with_its_name(stage, tmp_path):
    player = stage.start("bag_player", bag=tmp_path / "nowhere")
    assert player.wait(30) == 1
    assert "nowhere" in player.text
