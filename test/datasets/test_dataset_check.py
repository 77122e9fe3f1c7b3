# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import cv2
import pytest
from helpers.drives import SCENES, VERSION, labels_path, make_drives, read_table

from effocc_ros import cli
from effocc_ros.datasets.check import check_nuscenes


@pytest.fixture
def root(tmp_path):
    return make_drives(tmp_path / "drives", SCENES[:1])


def findings(root) -> dict:
    return {finding.what: finding for finding in check_nuscenes(root, VERSION)}


def test_a_whole_tree_is_complete(root):
    found = findings(root)
    assert found["CAM_FRONT keyframes"].complete
    assert (found["LIDAR_TOP sweeps"].there, found["LIDAR_TOP sweeps"].wanted) == (6, 6)
    assert found["labels occ3d_nuscenes (gts)"].complete
    assert not [finding for finding in found.values() if finding.needed and not finding.complete]


@pytest.mark.parametrize("leave", [Path.unlink, lambda file: file.write_bytes(b"")])
def test_missing_files_are_counted_by_channel_and_the_first_is_named(root, leave):
    row = next(r for r in read_table(root, "sample_data") if "/CAM_BACK/" in r["filename"])
    leave(root / row["filename"])
    found = findings(root)["CAM_BACK keyframes"]
    assert (found.there, found.wanted, found.needed) == (1, 2, True)
    assert found.note == f"{row['filename']} is absent"


def test_a_missing_label_is_named_and_labels_of_other_benchmarks_may_be_absent(root):
    labels_path(root, SCENES[0], 1).unlink()
    found = findings(root)
    occ3d = found["labels occ3d_nuscenes (gts)"]
    assert (occ3d.there, occ3d.wanted, occ3d.complete) == (1, 2, False)
    assert "labels.npz is absent" in occ3d.note
    assert not found["labels openocc_flow (openocc_v2)"].needed


def test_scenes_are_counted_against_the_official_split(root):
    split = findings(root)[f"{VERSION}: scenes of split mini_train"]
    assert (split.there, split.wanted, split.note) == (1, 8, "2 keyframes")


def test_a_missing_table_is_the_only_finding(root):
    (root / VERSION / "ego_pose.json").unlink()
    (finding,) = check_nuscenes(root, VERSION)
    assert not finding.complete
    assert str(root / VERSION / "ego_pose.json") in finding.note


def test_the_verb_reports_draws_one_sample_and_says_so(root, tmp_path, capsys):
    picture = tmp_path / "sample.png"
    assert cli.main(["dataset", "check", str(root), "--picture", str(picture)]) == 0
    text = capsys.readouterr().out
    assert "complete  LIDAR_TOP keyframes" in text
    assert "MISSING" not in text
    assert f"of {SCENES[0]} is drawn in {picture}" in text
    assert cv2.imread(str(picture)).shape[1] == 2400


def test_the_verb_says_what_keeps_the_sample_from_being_read(root, tmp_path, capsys):
    path = labels_path(root, SCENES[0], 0)
    path.write_bytes(path.read_bytes()[:500])
    picture = tmp_path / "sample.png"
    assert cli.main(["dataset", "check", str(root), "--picture", str(picture)]) == 1
    assert f"a sample cannot be read: file {path}" in capsys.readouterr().out
    assert not picture.exists()


def test_a_folder_of_something_else_is_refused(tmp_path, capsys):
    assert cli.main(["dataset", "check", str(tmp_path)]) == 2
    assert "neither a folder v1.0-* of tables nor voxel04" in capsys.readouterr().err
