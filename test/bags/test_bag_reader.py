# SPDX-License-Identifier: Apache-2.0
import sys
import tempfile

import pytest
from helpers.small_bags import START, STORAGES, make_small_bag, storage_file

from effocc_ros.bags.reader import BagReader
from effocc_ros.errors import InputError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("single_file", [False, True])
def test_every_storage_gives_the_same_messages(tmp_path, storage, single_file):
    path = make_small_bag(tmp_path / "bag", storage)
    with BagReader(storage_file(path) if single_file else path) as bag:
        messages = list(bag.messages())
        assert [(m.topic, m.log_time - START) for m in messages] == [
            ("/header", 0),
            ("/chatter", 0),
            ("/chatter", 10),
            ("/chatter", 20),
            ("/chatter", 30),
        ]
        assert messages[0].decode().frame_id == "map"
        assert [m.decode().data for m in messages[1:]] == [f"hello {i}" for i in range(4)]


def test_a_bag_says_what_is_in_it(tmp_path):
    with BagReader(make_small_bag(tmp_path / "bag")) as bag:
        assert [(t.name, t.msgtype, t.count) for t in bag.topics.values()] == [
            ("/chatter", "std_msgs/msg/String", 4),
            ("/header", "std_msgs/msg/Header", 1),
        ]
        assert (bag.message_count, bag.start_time, bag.end_time) == (5, START, START + 30)


def test_topics_and_times_can_be_chosen(tmp_path):
    with BagReader(make_small_bag(tmp_path / "bag")) as bag:
        chosen = bag.recorded(["/chatter"], start=START + 10, stop=START + 30)
        assert [m.decode().data for m in chosen] == ["hello 1", "hello 2"]
        assert list(bag.recorded([])) == []


def test_a_topic_that_is_not_there_is_named_with_those_that_are(tmp_path):
    with (
        BagReader(make_small_bag(tmp_path / "bag")) as bag,
        pytest.raises(InputError, match=r"no topic /lidar; expected topics out of: /chatter, /he"),
    ):
        bag.messages(["/lidar"])


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_parts_that_overlap_in_time_are_merged(tmp_path, storage):
    first = make_small_bag(tmp_path / "bag", storage, count=3)
    second = make_small_bag(tmp_path / "more", storage, count=3, start=START + 15)
    part = storage_file(second)
    part.rename(first / part.name)
    metadata = first / "metadata.yaml"
    old = (
        storage_file(first).name if storage_file(first).name != part.name else f"bag{part.suffix}"
    )
    metadata.write_text(metadata.read_text().replace(f"- {old}", f"- {old}\n  - {part.name}", 1))
    with BagReader(first) as bag:
        times = [m.log_time - START for m in bag.recorded(["/chatter"])]
        assert times == [0, 10, 15, 20, 25, 35]
        assert bag.topics["/chatter"].count == 6
        assert bag.end_time == START + 35


def test_a_storage_file_is_known_by_its_bytes_whatever_its_name(tmp_path):
    file = storage_file(make_small_bag(tmp_path / "bag")).rename(tmp_path / "drive.record")
    with BagReader(file) as bag:
        assert len(list(bag.messages())) == 5


def test_a_message_that_is_not_of_its_type_is_refused_by_name(tmp_path):
    from effocc_ros.bags.writer import BagWriter

    with BagWriter(tmp_path / "bag") as writer:
        writer.write_raw("/header", "std_msgs/msg/Header", b"\x00\x01\x00\x00\x01", 5)
    with BagReader(tmp_path / "bag") as bag:
        (message,) = bag.messages()
        with pytest.raises(InputError, match=r"/header in bag .*5 bytes at 5 ns") as caught:
            message.decode()
    assert caught.value.reason == "bad_message"


def test_damage_inside_an_mcap_file_is_said(tmp_path):
    file = storage_file(make_small_bag(tmp_path / "bag", "mcap_zstd_chunk"))
    content = bytearray(file.read_bytes())
    place = content.index(b"\x28\xb5\x2f\xfd") + 40
    content[place : place + 20] = bytes(20)
    file.write_bytes(content)
    with (
        BagReader(file) as bag,
        pytest.raises(InputError, match=r"damage in bag\.mcap .*mcap recover"),
    ):
        list(bag.messages())


@pytest.mark.parametrize("storage", ["mcap_zstd_file", "sqlite3_zstd_file"])
def test_an_unpacked_copy_has_no_name_that_a_killed_process_could_leave(
    tmp_path, monkeypatch, storage
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    with BagReader(make_small_bag(tmp_path / "bag", storage)) as bag:
        assert list((tmp_path / "scratch").iterdir()) == []
        assert len(list(bag.messages())) == 5


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("packed", [True, False])
def test_files_that_were_packed_or_unpacked_by_hand_are_found(tmp_path, storage, packed):
    bag = make_small_bag(tmp_path / "bag", storage if packed else f"{storage}_zstd_file")
    file = storage_file(bag)
    if packed:
        file.with_name(f"{file.name}.zstd").write_bytes(zstd.compress(file.read_bytes()))
    else:
        file.with_suffix("").write_bytes(zstd.decompress(file.read_bytes()))
    file.unlink()
    with BagReader(bag) as reader:
        assert reader.message_count == 5
