# SPDX-License-Identifier: Apache-2.0
"""What arguments stand for, and which of them cannot be meant."""

from pathlib import Path

import pytest
from helpers.small_bags import make_small_bag, storage_file

from effocc_ros.errors import InputError
from effocc_ros.fleet.bags import find_bags


@pytest.fixture
def tree(tmp_path):
    """Two bags at two depths, and two single files that are no parts of one recording."""
    make_small_bag(tmp_path / "in" / "b")
    make_small_bag(tmp_path / "in" / "deep" / "er" / "a")
    files = tmp_path / "in" / "files"
    files.mkdir()
    for name in ("x", "y"):
        storage_file(make_small_bag(tmp_path / "made" / name)).rename(files / f"{name}.mcap")
    return tmp_path / "in"


def names(arguments, out):
    return [bag.name for bag in find_bags([str(each) for each in arguments], out)]


def refused(arguments, out):
    with pytest.raises(InputError) as caught:
        names(arguments, out)
    return caught.value.reason, str(caught.value)


def test_folders_hold_bags_at_any_depth_and_single_files(tree, tmp_path):
    assert names([tree], tmp_path / "out") == ["a", "b", "x", "y"]
    assert names([tree / "b", tree / "files/x.mcap"], tmp_path / "out") == ["b", "x"]


def test_globs_are_expanded_where_no_shell_did(tree, tmp_path):
    assert names([tree / "**/*.mcap"], tmp_path / "out") == ["a", "b", "x", "y"]
    assert names([tree / "[b]"], tmp_path / "out") == ["b"]


def test_a_recording_without_metadata_is_one_bag(tmp_path):
    bag = make_small_bag(tmp_path / "in" / "killed")
    (bag / "metadata.yaml").unlink()
    assert names([tmp_path / "in"], tmp_path / "out") == ["killed"]


def test_outputs_below_the_bags_are_not_searched(tree):
    make_small_bag(tree / "out" / "b")
    make_small_bag(tree / ".hidden" / "c")
    assert names([tree], tree / "out") == ["a", "b", "x", "y"]


def test_a_place_without_bags_is_named(tmp_path):
    reason, said = refused([tmp_path], tmp_path / "out")
    assert reason == "no_bags"
    assert f"bags {tmp_path}: found a folder without bags" in said
    assert "nothing there" in refused([tmp_path / "*.mcap"], tmp_path / "out")[1]


def test_the_same_bag_twice_is_refused_also_by_a_link(tree, tmp_path):
    reason, said = refused([tree, tree / "b"], tmp_path / "out")
    assert reason == "bag_twice"
    assert "the same bag twice" in said
    link = tmp_path / "link"
    link.symlink_to(tree / "b")
    reason, said = refused([tree / "b", link], tmp_path / "out")
    assert reason == "bag_twice"
    assert f"as {tree / 'b'} and as {link}" in said


def test_two_bags_of_one_name_are_refused(tree, tmp_path):
    reason, said = refused([tree, make_small_bag(tmp_path / "other" / "b")], tmp_path / "out")
    assert reason == "same_output"
    assert f"bags {tree / 'b'} and {tmp_path / 'other' / 'b'}" in said


@pytest.mark.parametrize("out", ["b", ".", "b/inside"])
def test_outputs_among_the_bags_are_refused(tree, out):
    assert refused([tree / "b"], tree / out)[0] == "bad_output"


def test_a_loop_of_links_ends(tree, tmp_path):
    (tree / "deep" / "loop").symlink_to(tree)
    assert names([tree], tmp_path / "out") == ["a", "b", "x", "y"]


def test_the_bag_of_the_current_folder_has_a_name(tree, tmp_path, monkeypatch):
    monkeypatch.chdir(tree / "b")
    assert names([Path()], tmp_path / "out") == ["b"]


def test_what_a_link_beside_it_points_to_keeps_its_own_name(tree, tmp_path):
    (tree / "a_link").symlink_to(tree / "b")
    (tree / "files" / "latest.mcap").symlink_to("y.mcap")
    assert names([tree], tmp_path / "out") == ["a", "b", "x", "y"]


def test_a_folder_that_is_called_like_a_file_makes_an_output_of_a_folders_name(tree, tmp_path):
    (tree / "b").rename(tree / "b.mcap")
    (tree / "deep" / "er" / "a").rename(tree / "a_0.db3.zstd")
    assert names([tree], tmp_path / "out") == ["a_0", "b", "x", "y"]


def test_an_output_folder_that_is_a_file_is_refused(tree, tmp_path):
    (tmp_path / "out").write_text("")
    assert refused([tree], tmp_path / "out") == (
        "bad_output",
        f"--out {tmp_path / 'out'}: found a file; expected a folder, or a name that is free. "
        "Choose another.",
    )
