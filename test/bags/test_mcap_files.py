# SPDX-License-Identifier: Apache-2.0
"""A valid MCAP file is read, whoever wrote it; one that holds less than it says is not."""

import random

import pytest
from helpers.mcap_bags import KINDS, PLAIN, write_mcap
from helpers.small_bags import string_message
from helpers.toy_drive import Sent, drive, lidar_drive

from effocc_ros.bags.reader import BagReader
from effocc_ros.errors import InputError


def shuffled(sent):
    mixed = list(sent)
    random.Random(1).shuffle(mixed)
    return mixed


def held(path) -> list:
    with BagReader(path) as bag:
        return [(m.topic, m.log_time, m.raw) for m in bag.recorded()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_all_messages_in_the_order_of_time(tmp_path, kind):
    sent = drive(3)
    path = write_mcap(tmp_path / "a.mcap", shuffled(sent), KINDS[kind])
    found = held(path)
    assert sorted(found) == sorted((one.topic, one.log_time, one.raw) for one in sent)
    times = [time for _, time, _ in found]
    assert times == sorted(times)


@pytest.mark.parametrize("profile", ["", "ros2", "x-merged"])
@pytest.mark.parametrize("other", [("json", "jsonschema"), ("protobuf", "protobuf"), ("json", "")])
def test_channels_of_other_worlds_are_left_alone(tmp_path, profile, other):
    sent = lidar_drive(2)
    path = write_mcap(tmp_path / "a.mcap", sent, profile=profile, other=(*other, b'{"a": 1}'))
    with BagReader(path) as bag:
        assert bag.foreign == {"/events": other[0]}
        assert (bag.message_count, set(bag.topics)) == (len(sent), {one.topic for one in sent})
        for message in bag.messages():
            message.decode()


def test_a_topic_of_another_world_is_no_topic_to_ask_for(tmp_path):
    path = write_mcap(tmp_path / "a.mcap", lidar_drive(1), other=("json", "", b"{}"))
    with BagReader(path) as bag, pytest.raises(InputError, match="no topic /events"):
        bag.messages(["/events"])


@pytest.mark.parametrize("kind", ["no chunks", "no index", "plain"])
def test_fewer_messages_than_the_statistics_count_are_said(tmp_path, kind):
    path = write_mcap(tmp_path / "a.mcap", lidar_drive(3), KINDS[kind])
    data = path.read_bytes()
    statistics = data.rindex(b"\x0b" + (42 + 4 + 10 * 3).to_bytes(8, "little"))
    counts = data[:statistics] + data[statistics:].replace(
        (3).to_bytes(8, "little"), (4).to_bytes(8, "little")
    )
    path.write_bytes(counts)
    with pytest.raises(InputError, match=r"3 messages of /\w+, .* statistics count 4"):
        BagReader(path)


def test_what_a_killed_recorder_leaves_is_read_as_far_as_it_goes(tmp_path, caplog):
    sent = drive(6)
    third = len(sent) // 3
    for number in range(3):
        part = sent[number * third : (number + 1) * third if number < 2 else None]
        write_mcap(tmp_path / f"rec_{number}.mcap", part, KINDS["small chunks"])
    whole = (tmp_path / "rec_2.mcap").read_bytes()
    for rest in (b"", bytes(5000)):
        (tmp_path / "rec_2.mcap").write_bytes(whole[: len(whole) * 2 // 3] + rest)
        found = held(tmp_path)
        assert 2 * third < len(found) < len(sent)
        assert sorted(found) == sorted((s.topic, s.log_time, s.raw) for s in sent[: len(found)])
    assert "as a killed recorder leaves it: read as far as it goes" in caplog.text
    with pytest.raises(InputError, match="without its end"):
        BagReader(tmp_path / "rec_2.mcap")


def test_a_later_part_alone_has_the_latched_topics_of_the_first(tmp_path, caplog):
    sent = drive(4)
    write_mcap(tmp_path / "rec_9.mcap", sent[: len(sent) // 2])
    path = write_mcap(tmp_path / "rec_10.mcap", sent[len(sent) // 2 :])
    with BagReader(path) as bag:
        assert "/tf_static" in bag.topics
        assert next(bag.messages()).topic == "/tf_static"
        assert [m.topic for m in bag.recorded()].count("/tf_static") == 0
    assert "rec_10.mcap lacks /tf_static, read from rec_9.mcap" in caplog.text


def test_a_later_part_with_static_transforms_of_its_own_borrows_the_rest(tmp_path):
    sent = drive(4)
    write_mcap(tmp_path / "rec_0.mcap", sent[: len(sent) // 2])
    rest = [each for each in sent[len(sent) // 2 :] if "CAM_BACK/camera_info" not in each.topic]
    path = write_mcap(tmp_path / "rec_1.mcap", [sent[0], *rest])
    with BagReader(path) as bag:
        assert "/CAM_BACK/camera_info" in bag.topics
        assert [each.topic for each in bag.messages()].count("/tf_static") == 1


def test_what_macos_leaves_beside_a_copied_file_is_no_part(tmp_path):
    folder = tmp_path / "drive"
    folder.mkdir()
    sent = lidar_drive(2)
    write_mcap(folder / "drive_0.mcap", sent)
    (folder / "._drive_0.mcap").write_bytes(b"\x00\x05\x16\x07\x00\x02")
    assert len(held(folder)) == len(sent)


def test_a_file_is_read_through_a_link_of_another_name(tmp_path):
    path = write_mcap(tmp_path / "a.mcap", lidar_drive(1), PLAIN)
    (tmp_path / "link").symlink_to(path)
    assert held(tmp_path / "link") == held(path)


@pytest.mark.parametrize("first", [True, False])
def test_of_a_topic_with_two_types_the_one_with_most_messages_is_used(tmp_path, caplog, first):
    sent, text = lidar_drive(4), string_message("no cloud")
    other = Sent("/LIDAR_TOP", sent[0].log_time if first else sent[-1].log_time, text)
    path = write_mcap(tmp_path / "a.mcap", [other, *sent] if first else [*sent, other])
    with BagReader(path) as bag:
        topic = bag.topics["/LIDAR_TOP"]
        assert (topic.msgtype, topic.count) == ("sensor_msgs/msg/PointCloud2", 4)
        kinds = [message.msgtype for message in bag.messages(["/LIDAR_TOP"])]
        assert kinds == [topic.msgtype] * 4
        assert len(list(bag.recorded())) == len(sent)
    assert "found messages of std_msgs/msg/String (1) beside those of sensor" in caplog.text


@pytest.mark.parametrize("length", [2**63 - 20, 2**63, 2**64 - 1])
def test_a_file_without_its_end_may_claim_a_record_of_any_length(tmp_path, length):
    path = tmp_path / "a.mcap"
    path.write_bytes(b"\x89MCAP0\r\n\x01" + length.to_bytes(8, "little") + bytes(40))
    with pytest.raises(InputError, match="without its end") as caught:
        BagReader(path)
    assert "before its first messages are whole" in caught.value.do
