# SPDX-License-Identifier: Apache-2.0
import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from helpers.full_disk import REFUSED, no_file_above
from helpers.small_bags import make_small_bag, string_message
from rosbags.interfaces import QosDurability, QosReliability
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from effocc_ros.bags.messages import message, tf_message, transform_message
from effocc_ros.bags.reader import BagReader
from effocc_ros.bags.writer import BagWriter
from effocc_ros.errors import InputError


def test_what_is_written_is_read_back(tmp_path):
    with BagWriter(tmp_path / "out" / "bag") as writer:
        writer.write("/a", string_message("one"), 5)
        writer.write("/b", string_message("two"), 7)
        writer.write("/a", string_message("three"), 9)
        assert writer.counts == {"/a": 2, "/b": 1}
    with BagReader(tmp_path / "out" / "bag") as bag:
        assert [(m.topic, m.log_time, m.decode().data) for m in bag.messages()] == [
            ("/a", 5, "one"),
            ("/b", 7, "two"),
            ("/a", 9, "three"),
        ]
    assert sorted(os.listdir(tmp_path / "out" / "bag")) == ["bag.mcap", "metadata.yaml"]


def test_compression_makes_even_grids_small(tmp_path):
    grid = message(
        "std_msgs/msg/UInt8MultiArray", layout=_layout(), data=np.zeros(10**6, np.uint8)
    )
    with BagWriter(tmp_path / "bag") as writer:
        writer.write("/grid", grid, 0)
    assert (tmp_path / "bag" / "bag.mcap").stat().st_size < 10_000


def _layout():
    return message("std_msgs/msg/MultiArrayLayout", dim=[], data_offset=0)


def test_static_transforms_are_recorded_as_latched_and_moving_ones_are_not(tmp_path):
    transform = tf_message([transform_message(0, "map", "base_link", np.eye(4))])
    with BagWriter(tmp_path / "bag") as writer:
        writer.write("/tf_static", transform, 0)
        writer.write("/tf", transform, 0)
    with BagReader(tmp_path / "bag") as bag:
        static, moving = bag.topics["/tf_static"], bag.topics["/tf"]
        assert static.latched
        assert not moving.latched
        (profile,) = static.qos
        assert profile.durability == QosDurability.TRANSIENT_LOCAL
        assert profile.reliability == QosReliability.RELIABLE
    assert "durability: 1" in (tmp_path / "bag" / "metadata.yaml").read_text()


def test_nothing_is_seen_before_the_end_and_nothing_stays_after_an_error(tmp_path):
    writer = BagWriter(tmp_path / "bag").__enter__()
    writer.write("/a", string_message("one"), 5)
    assert not (tmp_path / "bag").exists()
    writer.__exit__(RuntimeError, RuntimeError(), None)
    assert list(tmp_path.iterdir()) == []


def test_a_bag_that_is_there_is_replaced_only_when_told(tmp_path):
    make_small_bag(tmp_path / "bag", "sqlite3")
    with pytest.raises(InputError, match="a bag there already"):
        BagWriter(tmp_path / "bag")
    with BagWriter(tmp_path / "bag", overwrite=True) as writer:
        writer.write("/new", string_message("new"), 5)
    with BagReader(tmp_path / "bag") as bag:
        assert list(bag.topics) == ["/new"]
    assert [path.name for path in tmp_path.iterdir()] == ["bag"]


def test_of_two_writers_of_one_bag_the_second_to_finish_is_refused(tmp_path):
    with ExitStack() as stack:
        writer = stack.enter_context(BagWriter(tmp_path / "bag"))
        writer.write("/late", string_message("late"), 5)
        make_small_bag(tmp_path / "bag")
        with pytest.raises(InputError, match="a bag there already") as caught:
            stack.close()
    assert caught.value.reason == "output_exists"
    with BagReader(tmp_path / "bag") as bag:
        assert "/late" not in bag.topics
    assert os.listdir(tmp_path) == ["bag"]


def test_a_bag_that_appears_while_another_goes_to_the_disk_is_not_replaced(tmp_path, monkeypatch):
    """The other process finishes at the last moment that there is."""
    fsync = os.fsync

    def slow(handle):
        if not (tmp_path / "bag").exists():
            make_small_bag(tmp_path / "other")
            (tmp_path / "other").rename(tmp_path / "bag")
        fsync(handle)

    with ExitStack() as stack:
        writer = stack.enter_context(BagWriter(tmp_path / "bag"))
        writer.write("/late", string_message("late"), 5)
        monkeypatch.setattr(os, "fsync", slow)
        with pytest.raises(InputError, match="a bag there already"):
            stack.close()
    with BagReader(tmp_path / "bag") as bag:
        assert "/late" not in bag.topics


def test_an_error_while_replacing_leaves_the_old_bag(tmp_path):
    make_small_bag(tmp_path / "bag")
    with pytest.raises(RuntimeError), BagWriter(tmp_path / "bag", overwrite=True):
        raise RuntimeError
    with BagReader(tmp_path / "bag") as bag:
        assert list(bag.topics) == ["/chatter", "/header"]


def test_the_old_bag_comes_back_if_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    path = make_small_bag(tmp_path / "bag")
    before = (path / "metadata.yaml").read_bytes()
    rename = Path.rename

    def refuse(self, target):
        if target == path and self.parent != tmp_path:
            raise OSError(5, "Input/output error", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="Input/output"), BagWriter(path, overwrite=True) as writer:
        writer.write("/new", string_message("new"), 1)
    assert os.listdir(tmp_path) == ["bag"]
    assert (path / "metadata.yaml").read_bytes() == before


def test_a_bag_that_was_being_replaced_when_the_writer_was_killed_comes_back(tmp_path):
    make_small_bag(tmp_path / "bag").rename(tmp_path / ".replaced-bag")
    with pytest.raises(RuntimeError), BagWriter(tmp_path / "bag", overwrite=True):
        raise RuntimeError
    assert os.listdir(tmp_path) == ["bag"]


def write_long_messages(writer):
    noise = np.random.default_rng(0).bytes(50_000).hex()
    for number in range(50):
        writer.write("/long", string_message(noise), number)


def test_a_disk_without_room_is_said_by_the_name_of_the_bag_and_nothing_is_left(tmp_path):
    with (
        no_file_above(100_000),
        pytest.raises(InputError, match="Make room") as caught,
        BagWriter(tmp_path / "bag") as writer,
    ):
        write_long_messages(writer)
    assert caught.value.what == f"output bag {tmp_path / 'bag'}"
    assert caught.value.found == REFUSED
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_no_bag_is_never_replaced(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear reader")
    with pytest.raises(InputError, match="something there that is no bag"):
        BagWriter(tmp_path / "home", overwrite=True)
    assert (tmp_path / "home" / "letter.txt").exists()


def test_a_file_name_is_not_taken_for_a_folder(tmp_path):
    with pytest.raises(InputError, match=rf"Say {tmp_path}/out\."):
        BagWriter(tmp_path / "out.mcap")


def test_a_topic_keeps_its_type(tmp_path):
    with BagWriter(tmp_path / "bag") as writer:
        writer.write("/a", string_message("one"), 5)
        with pytest.raises(InputError, match=r"expected std_msgs/msg/String as before"):
            writer.write("/a", _layout(), 6)


def test_a_type_of_another_package_is_written_with_its_definition(tmp_path):
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg("float64 speed", "cars/msg/Speed"))
    speed = store.types["cars/msg/Speed"](speed=3.5)
    raw = store.serialize_cdr(speed, "cars/msg/Speed")
    with BagWriter(tmp_path / "bag") as writer:
        with pytest.raises(InputError, match="cars/msg/Speed, whose definition is not known"):
            writer.write_raw("/speed", "cars/msg/Speed", raw, 1)
        writer.add_topic("/speed", "cars/msg/Speed", typestore=store)
        writer.write_raw("/speed", "cars/msg/Speed", raw, 1)
    with BagReader(tmp_path / "bag") as bag:
        (read,) = bag.messages()
        assert bytes(read.raw) == bytes(raw)
        assert read.decode().speed == 3.5


def test_a_definition_in_the_bag_wins_over_ours(tmp_path):
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg("uint8 old_field", "effocc_ros/msg/SemanticOccupancy"))
    old = store.types["effocc_ros/msg/SemanticOccupancy"](old_field=9)
    raw = store.serialize_cdr(old, "effocc_ros/msg/SemanticOccupancy")
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/old", "effocc_ros/msg/SemanticOccupancy", typestore=store)
        writer.write_raw("/old", "effocc_ros/msg/SemanticOccupancy", raw, 1)
    with BagReader(tmp_path / "bag") as bag:
        assert next(bag.messages()).decode().old_field == 9
