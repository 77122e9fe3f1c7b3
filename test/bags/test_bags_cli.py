# SPDX-License-Identifier: Apache-2.0
import pytest
from helpers.small_nuscenes import SCENE, VERSION, make_small_nuscenes

from effocc_ros.bags.reader import BagReader
from effocc_ros.cli import main


@pytest.fixture
def root(tmp_path):
    return make_small_nuscenes(tmp_path / "nuscenes")


def test_nuscenes2bag_writes_a_bag_and_counts_its_messages(root, capsys):
    out = root.parent / "bag"
    verb = ["nuscenes2bag", str(root), str(out), "--version", VERSION, "--scene", SCENE]
    assert main(verb) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == f"written: {out}"
    assert [line.split() for line in printed if line.startswith("/LIDAR_TOP")] == [
        ["/LIDAR_TOP", "2"]
    ]
    with BagReader(out) as bag:
        assert bag.message_count == 12


def test_nuscenes2bag_keeps_to_keyframes_when_told(root):
    out = root.parent / "bag"
    verb = ["nuscenes2bag", str(root), str(out), f"--version={VERSION}", f"--scene={SCENE}"]
    main([*verb, "--keyframes"])
    with BagReader(out) as bag:
        assert bag.topics["/LIDAR_TOP"].count == 1


def test_nuscenes2bag_takes_the_only_tables_and_the_first_scene(root, capsys):
    assert main(["nuscenes2bag", str(root), str(root.parent / "bag")]) == 0
    with BagReader(root.parent / "bag") as bag:
        assert bag.message_count == 12


@pytest.mark.parametrize("other", ["v1.0-test", ""])
def test_tables_that_could_be_several_or_are_none_are_said_in_one_line(root, capsys, other):
    if not other:
        (root / VERSION).rename(root / "tables")
    else:
        (root / other).mkdir()
    assert main(["nuscenes2bag", str(root), str(root.parent / "bag")]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"effocc nuscenes2bag: nuScenes tables in {root}: found ")
    assert ("v1.0-test, v1.0-tiny" if other else "no folder") in said
