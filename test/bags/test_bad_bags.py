# SPDX-License-Identifier: Apache-2.0
"""Each thing that is no readable bag gets one line: what it is, and what to do."""

import pytest
from helpers.small_bags import make_protobuf_mcap, make_small_bag, storage_file

from effocc_ros.bags.reader import BagReader
from effocc_ros.errors import InputError


def refusal(path) -> InputError:
    with pytest.raises(InputError) as caught:
        BagReader(path)
    assert str(path) in str(caught.value)
    return caught.value


def test_nothing_there(tmp_path):
    error = refusal(tmp_path / "drive")
    assert (error.reason, error.found) == ("no_such_bag", "nothing there")


@pytest.mark.parametrize("kept", [-1, -8, -300])
def test_an_mcap_file_cut_short(tmp_path, kept):
    file = storage_file(make_small_bag(tmp_path / "bag"))
    file.write_bytes(file.read_bytes()[:kept])
    error = refusal(file)
    assert error.reason == "truncated_bag"
    assert "mcap recover bag.mcap -o recovered.mcap" in error.do


@pytest.mark.parametrize("storage", ["mcap", "mcap_zstd_chunk"])
@pytest.mark.parametrize("kept", [8, 40, 120])
def test_an_mcap_file_without_a_whole_message_cannot_be_saved(tmp_path, storage, kept):
    file = storage_file(make_small_bag(tmp_path / "bag", storage))
    file.write_bytes(file.read_bytes()[:kept])
    alone = refusal(file)
    (tmp_path / "bag" / "metadata.yaml").unlink()
    folder = refusal(tmp_path / "bag")
    for error in (alone, folder):
        assert error.reason == "truncated_bag"
        assert "nothing in it can be saved" in error.do


def test_an_sqlite_file_cut_short(tmp_path):
    file = storage_file(make_small_bag(tmp_path / "bag", "sqlite3"))
    whole = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-4096])
    error = refusal(file)
    assert error.reason == "truncated_bag"
    assert error.found == f"a sqlite3 file of {whole - 4096} bytes that says it has {whole}"
    assert "sqlite3 bag.db3 .recover" in error.do


def test_a_zstd_file_cut_short(tmp_path):
    file = storage_file(make_small_bag(tmp_path / "bag", "mcap_zstd_file"))
    file.write_bytes(file.read_bytes()[:-20])
    assert refusal(file).reason == "damaged_bag"


def test_a_foxglove_protobuf_file(tmp_path):
    error = refusal(make_protobuf_mcap(tmp_path / "nuscenes.mcap"))
    assert error.reason == "foreign_bag"
    assert error.found == "no messages and protobuf schemas"
    assert "ros2/rosbag2#1245" in error.do
    assert "effocc nuscenes2bag" in error.do


def test_a_ros_1_bag(tmp_path):
    file = tmp_path / "drive.bag"
    file.write_bytes(b"#ROSBAG V2.0\nE\x00\x00\x00" + bytes(4096))
    error = refusal(file)
    assert (error.reason, error.found) == ("ros1_bag", "a ROS 1 bag")
    assert error.do == "Convert it: rosbags-convert --src drive.bag --dst drive"


def test_a_file_of_something_else(tmp_path):
    file = tmp_path / "photo.mcap"
    file.write_bytes(b"\xff\xd8\xff\xe0 a photo")
    error = refusal(file)
    assert error.reason == "not_a_bag"
    assert error.found.startswith("12 bytes that begin with b'\\xff\\xd8")


def test_an_empty_file(tmp_path):
    file = tmp_path / "drive.mcap"
    file.touch()
    assert refusal(file).found == "an empty file"


def test_another_sqlite_database(tmp_path):
    import sqlite3

    database = sqlite3.connect(tmp_path / "notes.db3")
    database.execute("CREATE TABLE notes (text TEXT)")
    database.commit()
    database.close()
    assert refusal(tmp_path / "notes.db3").reason == "damaged_bag"


def test_a_folder_without_a_bag(tmp_path):
    error = refusal(tmp_path)
    assert error.reason == "not_a_bag"
    assert "ros2 bag record" in error.do


@pytest.mark.parametrize("names", [("a.mcap", "b.mcap"), ("a_0.mcap", "a_2.mcap")])
def test_a_folder_of_files_that_are_not_one_recording(tmp_path, names):
    for name in names:
        (tmp_path / name).write_bytes(
            storage_file(make_small_bag(tmp_path / name[:3])).read_bytes()
        )
    error = refusal(tmp_path)
    assert error.found.startswith(f"no metadata.yaml, and {names[0]}, {names[1]}")
    assert str(tmp_path / names[0]) in error.do


USELESS = [
    *("", "a: [", "a: 1", "rosbag2_bagfile_information: {relative_file_paths: 3}"),
    "\0" * 300,  # as a disk fills what was never written
]


@pytest.mark.parametrize("text", USELESS)
@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_files_beside_metadata_that_lists_none_are_read(tmp_path, text, storage, caplog):
    bag = make_small_bag(tmp_path / "bag", storage)
    with BagReader(bag) as reader:
        count = reader.message_count
    (bag / "metadata.yaml").write_text(text)
    with BagReader(bag) as reader:
        assert reader.message_count == count
    assert "no whole metadata.yaml" in caplog.text


def test_files_of_other_names_than_metadata_lists_are_read(tmp_path, caplog):
    bag = make_small_bag(tmp_path / "bag").rename(tmp_path / "renamed")
    (bag / "bag.mcap").rename(bag / "renamed.mcap")
    with BagReader(bag) as reader:
        assert reader.message_count
    assert "not called as metadata.yaml says" in caplog.text


@pytest.mark.parametrize("text", USELESS)
def test_metadata_that_lists_no_files(tmp_path, text):
    bag = make_small_bag(tmp_path / "bag")
    (bag / "other.mcap").write_bytes((bag / "bag.mcap").read_bytes())
    (bag / "metadata.yaml").write_text(text)
    error = refusal(bag)
    assert error.reason == "bad_metadata"
    assert error.do == f"Write it anew: ros2 bag reindex {bag}"


def test_parts_that_are_missing(tmp_path):
    bag = make_small_bag(tmp_path / "bag")
    metadata = bag / "metadata.yaml"
    lost = "".join(f"\n  - bag_{number}.mcap" for number in range(6))
    metadata.write_text(metadata.read_text().replace("- bag.mcap", f"- bag.mcap{lost}", 1))
    error = refusal(bag)
    assert error.reason == "missing_parts"
    assert error.found.startswith("1 of the 7 parts that metadata.yaml lists; missing: bag_0.mcap")
    assert "and 2 more" in error.found
    assert f"ros2 bag reindex {bag}" in error.do
    assert f"read one part alone: {bag / 'bag.mcap'}" in error.do


def test_forty_gigabytes_of_zeros_are_told_at_once(tmp_path):
    file = tmp_path / "bag.mcap"
    with file.open("wb") as sparse:
        sparse.write(b"\x89MCAP0\r\n")
        sparse.truncate(40 << 30)
    error = refusal(file)
    assert error.reason == "truncated_bag"
    assert "nothing in it can be saved" in error.do


def test_a_topic_that_is_not_cdr(tmp_path):
    file = storage_file(make_small_bag(tmp_path / "bag"))
    file.write_bytes(file.read_bytes().replace(b"\x03\x00\x00\x00cdr", b"\x03\x00\x00\x00cbr"))
    with pytest.raises(InputError, match="serialised as 'cbr'"):
        BagReader(file)
