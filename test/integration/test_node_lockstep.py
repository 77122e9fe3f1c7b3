# SPDX-License-Identifier: Apache-2.0
"""A bag goes through the player, DDS and the node, and nothing is lost."""

import struct
from dataclasses import replace

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from helpers.diagnostics import told
from helpers.toy_drive import PERIOD, START, TOPICS, lidar_drive, make_toy_bag
from helpers.waiting import wait_until
from rclpy.qos import ReliabilityPolicy
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from effocc_ros.bags.messages import header_message
from effocc_ros.bags.reader import BagReader, BagTopic
from effocc_ros.bags.writer import BagWriter
from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.msg import SemanticOccupancy
from effocc_ros.nodes.bag_player import _offered
from effocc_ros.nodes.handled import REFERENCE, REFERENCE_QOS
from effocc_ros.nodes.to_message import stamp_of

pytestmark = pytest.mark.integration

MOMENTS = 5
PLAYER = {"lockstep": True, "wait_for": TOPICS, "rate": 2.0}


@pytest.mark.parametrize("modality", ["fusion", "vision"])
def test_every_keyframe_of_a_bag_becomes_one_message(stage, tiny_models, tmp_path, modality):
    bag = make_toy_bag(tmp_path / "drive", MOMENTS)
    occupancies = stage.peer.listen(SemanticOccupancy, "/occ_node/output/occupancy")
    diagnostics = stage.peer.listen(DiagnosticArray, "/diagnostics")
    # The drive's stamps are equal: with the offsets of the rig every frame without LiDAR would
    # wait for images that only the next moment has.
    offsets = [0.0] * len(NUSCENES_CAMERAS)
    stage.start_node(model=tiny_models[modality], max_wait=10.0, camera_offsets=offsets)
    player = stage.start("bag_player", bag=bag, **PLAYER)

    assert player.wait(120) == 0, player.text
    assert f"{MOMENTS} keyframes: {MOMENTS} frames, 0 dropped" in player.text
    wait_until(lambda: len(occupancies) == MOMENTS, f"{MOMENTS} messages")
    stamps = [stamp_of(message.header.stamp) for message in occupancies]
    assert stamps == [START + number * PERIOD for number in range(MOMENTS)]
    for message in occupancies:
        assert message.header.frame_id == "base_link"
        lidar = ["LIDAR_TOP"] if modality == "fusion" else []
        assert list(message.inputs) == [*NUSCENES_CAMERAS, *lidar]
        expected = (f"tiny_{modality}", modality, True)
        assert (message.model, message.mode, message.trained) == expected

    wait_until(lambda: told(diagnostics, "frames_out") == str(MOMENTS), "the count of frames")
    assert told(diagnostics, "frames_in") == str(MOMENTS)
    assert float(told(diagnostics, "network_ms")) > 0
    assert told(diagnostics, "count", "input CAM_BACK") == str(MOMENTS)


def test_what_the_node_said_when_the_bag_was_recorded_answers_nothing(
    stage, tiny_models, tmp_path
):
    with BagWriter(tmp_path / "drive") as writer:
        for sent in lidar_drive(MOMENTS):
            writer.write(sent.topic, sent.message, sent.log_time)
            if sent.topic == "/LIDAR_TOP":
                answer = header_message(sent.log_time, "base_link")
                writer.write("/occ_node/output/handled", answer, sent.log_time + PERIOD // 2)
    stage.start_node(model=tiny_models["lidar"])
    player = stage.start("bag_player", bag=tmp_path / "drive", **PLAYER)
    assert player.wait(120) == 0, player.text
    assert f"{MOMENTS} keyframes: {MOMENTS} frames, 0 dropped" in player.text
    assert "recorded of /occ_node, not played: /occ_node/output/handled" in player.text
    assert "1  /occ_node" not in player.text


@pytest.mark.parametrize("loop", [True, False])
def test_topics_that_the_bag_lacks_are_named_and_nothing_to_play_is_an_error(
    stage, tmp_path, loop
):
    bag = make_toy_bag(tmp_path / "drive", 1)
    player = stage.start("bag_player", bag=bag, topics=["/LIDAR_TPO"], loop=loop)
    assert player.wait(60) == 1
    assert "not in the bag, not played: /LIDAR_TPO" in player.text
    assert "no message to play on any topic" in player.text


def test_a_player_whom_nobody_hears_says_so_and_fails(stage, tmp_path):
    bag = make_toy_bag(tmp_path / "drive", 1)
    wait_for = ["/LIDAR_TOP", "/not_in_the_bag"]  # what is not there counts for nothing
    player = stage.start("bag_player", bag=bag, wait_for=wait_for, wait_timeout=3.0)
    assert player.wait(120) == 1
    assert "listeners of /LIDAR_TOP: found none within 3.0 s" in player.text


def test_keyframes_that_are_dropped_are_answered_and_told_apart(stage, tiny_models, tmp_path):
    bag = make_toy_bag(tmp_path / "drive", MOMENTS)
    stage.start_node(model=tiny_models["lidar"], base_frame="no_such_frame")
    player = stage.start("bag_player", bag=bag, **PLAYER)
    assert player.wait(120) == 0, player.text
    assert f"{MOMENTS} keyframes: 0 frames, {MOMENTS} dropped" in player.text


def test_a_bag_whose_messages_come_again_later_is_held_up_by_none(stage, tiny_models, tmp_path):
    with BagReader(make_toy_bag(tmp_path / "drive", MOMENTS)) as reader:
        once = list(reader.recorded(tuple(reader.topics)))
    late = [replace(message, log_time=message.log_time + 3 * PERIOD // 2) for message in once]
    with BagWriter(tmp_path / "twice") as writer:
        for each in sorted((*once, *late), key=lambda message: message.log_time):
            writer.write_raw(each.topic, each.msgtype, each.raw, each.log_time)
    stage.start_node(model=tiny_models["lidar"])
    player = stage.start("bag_player", bag=tmp_path / "twice", **PLAYER)
    assert player.wait(120) == 0, player.text
    assert f"{MOMENTS} keyframes: {MOMENTS} frames, 0 dropped, 0 without" in player.text


def test_a_player_in_lockstep_without_a_node_says_so_and_fails(stage, tmp_path):
    bag = make_toy_bag(tmp_path / "drive", 2)
    player = stage.start("bag_player", bag=bag, lockstep=True, wait_timeout=0.3)
    assert player.wait(120) == 1
    assert "found no message on /occ_node/output/reference within 0.3 s" in player.text


def test_a_node_that_does_not_answer_holds_the_bag_up_for_the_timeout_only(stage, tmp_path):
    bag = make_toy_bag(tmp_path / "drive", 2)
    name = f"/occ_node/{REFERENCE}"
    stage.peer.node.create_publisher(String, name, REFERENCE_QOS).publish(
        String(data="/LIDAR_TOP")
    )
    player = stage.start("bag_player", bag=bag, lockstep=True, timeout=0.3)
    assert player.wait(120) == 0
    assert player.text.count("no answer from /occ_node within 0.3 s") == 2
    assert "2 keyframes: 0 frames, 0 dropped, 2 without an answer" in player.text


def test_a_lockstep_on_a_topic_that_the_bag_lacks_is_refused(stage, tmp_path):
    bag = make_toy_bag(tmp_path / "drive", 1)
    name = f"/occ_node/{REFERENCE}"
    stage.peer.node.create_publisher(String, name, REFERENCE_QOS).publish(String(data="/velodyne"))
    player = stage.start("bag_player", bag=bag, lockstep=True)
    assert player.wait(120) == 1
    assert "found frames made of /velodyne" in player.text


def test_a_bag_with_a_clock_of_its_own_is_played_with_that_one(stage, tmp_path):
    seconds = [12, 13, 14]
    with BagWriter(tmp_path / "drive") as writer:
        for number, second in enumerate(seconds):
            raw = b"\0\1\0\0" + struct.pack("<iI", second, 0)
            writer.write_raw("/clock", "rosgraph_msgs/msg/Clock", raw, START + number * PERIOD)
    clocks = stage.peer.listen(Clock, "/clock")
    player = stage.start("bag_player", bag=tmp_path / "drive", wait_for=["/clock"])
    assert player.wait(120) == 0, player.text
    wait_until(lambda: len(clocks) == len(seconds), "the clock of the bag")
    assert [clock.clock.sec for clock in clocks] == seconds


def test_a_topic_that_was_recorded_best_effort_is_offered_to_every_subscriber():
    recorded = Qos(
        history=QosHistory.KEEP_LAST,
        depth=5,
        reliability=QosReliability.BEST_EFFORT,
        durability=QosDurability.VOLATILE,
        deadline=QosTime(0, 0),
        lifespan=QosTime(0, 0),
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=QosTime(0, 0),
        avoid_ros_namespace_conventions=False,
    )
    topic = BagTopic("/LIDAR_TOP", "sensor_msgs/msg/PointCloud2", 1, (recorded,))
    assert _offered(topic, 10).reliability == ReliabilityPolicy.RELIABLE


def test_a_bag_that_is_not_there_ends_the_player_with_its_name(stage, tmp_path):
    player = stage.start("bag_player", bag=tmp_path / "nowhere")
    assert player.wait(120) == 1
    assert "nowhere" in player.text
