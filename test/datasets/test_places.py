# SPDX-License-Identifier: Apache-2.0
"""Archives are unpacked in many ways: labels are found, and tables are pointed at."""

import cv2
import numpy as np
import pytest
from helpers.drives import SCENES, VERSION, make_drives, read_table, token, write_table

from effocc_ros.cli import main
from effocc_ros.datasets.benchmarks import open_dataset
from effocc_ros.datasets.files import read_points
from effocc_ros.datasets.nuscenes_tables import only_version
from effocc_ros.datasets.places import near_data_set, tables_advice
from effocc_ros.errors import InputError


@pytest.fixture
def root(tmp_path):
    return make_drives(tmp_path / "data" / "nuscenes", SCENES[:1], keyframes=1, sweeps=0)


def opened(root, name="occ3d_nuscenes"):
    return open_dataset(name, root, "all", version=VERSION)


@pytest.mark.parametrize(
    "place",
    ["gts", "occ3d", "occ3d/gts", "Occ3D-nuScenes/trainval/gts", "gts/gts", "../Occ3D/gts"],
)
def test_labels_of_occ3d_are_found_where_people_put_them(root, place, capsys):
    target, aside = root / place, root.parent / "aside"
    (root / "gts").rename(aside)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside.rename(target)
    assert opened(root)[0].truth is not None
    main(["dataset", "check", str(root), "--picture", str(root / "a.png")])
    said = capsys.readouterr().out
    assert f"complete  labels occ3d_nuscenes ({place})" in said


@pytest.mark.parametrize("place", ["nuScenes-Occupancy", "../nuScenes-Occupancy-v0.1"])
def test_labels_of_openoccupancy_are_found_beside_the_data_set(root, place):
    (sample,) = opened(root, "openoccupancy").samples
    file = root / place / f"scene_{token(SCENES[0])}" / "occupancy" / f"{sample.lidar_token}.npy"
    file.parent.mkdir(parents=True)
    np.save(file, np.array([[1, 2, 3, 11]]))
    assert opened(root, "openoccupancy")[0].truth.semantics[3, 2, 1] == 11


def test_labels_of_other_scenes_do_not_hide_those_of_this_one(root):
    (root / "gts").rename(root / "occ3d")
    (root / "gts" / "scene-9999").mkdir(parents=True)
    assert opened(root).labels_root == root / "occ3d"


def test_a_folder_around_or_within_the_data_set_is_answered_with_it(root):
    for folder in (root.parent, root / "samples", root / VERSION, root.parent.parent):
        assert near_data_set(folder) == root
        with pytest.raises(InputError, match="no folder v1") as error:
            only_version(folder)
        assert error.value.do.startswith(f"Give {root}, whose tables are in {VERSION}")


def test_an_archive_in_a_folder_of_its_own_name_is_the_data_set(root):
    inner = root.rename(root.parent / VERSION)
    with pytest.raises(InputError, match="no folder v1") as error:
        only_version(inner.parent)
    assert error.value.do.startswith(f"Give {inner}, whose tables")
    assert only_version(inner) == VERSION


def test_tables_in_the_wrong_place_are_told_where_to_go(root):
    (root / VERSION).rename(root / "tables")
    assert tables_advice(root) == "Name the folder of tables: --version tables"
    (root / "meta").mkdir()
    (root / "tables").rename(root / "meta" / VERSION)
    assert (
        tables_advice(root)
        == f"Move {root / 'meta' / VERSION} to {root / VERSION}, beside samples/"
    )
    assert near_data_set(root / "sweeps") is None


def test_file_names_may_begin_where_their_writer_stood(root):
    rows = read_table(root, "sample_data")
    for row in rows:
        row["filename"] = f"./data/nuscenes/{row['filename']}"
    write_table(root, "sample_data", rows)
    assert opened(root)[0].frame.cloud is not None


def test_a_data_set_without_the_channel_of_the_lidar_says_what_to_call_it(root):
    rows = read_table(root, "sensor")
    for row in rows:
        row["channel"] = row["channel"].replace("LIDAR_TOP", "LIDAR_CONCAT")
    write_table(root, "sensor", rows)
    with pytest.raises(InputError, match="Call its channel LIDAR_TOP"):
        opened(root)[0]


HEADER = b"VERSION 0.7\nFIELDS x y z intensity\nDATA binary\n"


@pytest.mark.parametrize(
    ("begin", "said", "do"),
    [
        (b"# .PCD v0.7\n" + HEADER, "a PCD file", "rows of float32"),
        (HEADER, "a PCD file", "rows of float32"),
        (b"ply\nformat binary_little_endian 1.0\n", "a PLY file", "rows of float32"),
        (b"\x93NUMPY\x01\x00", "a numpy array", "rows of float32"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a git-lfs pointer", "git lfs pull"),
        (b"<html>", "a web page", "Copy it again"),
    ],
)
def test_files_of_points_of_other_kinds_are_named(tmp_path, begin, said, do):
    points = np.random.default_rng(0).uniform(-30, 30, (2000, 5)).astype("<f4").tobytes()
    for length in (len(begin) + 3, 2000 * 20):
        (tmp_path / "a.bin").write_bytes((begin + points)[:length])
        if length % 20 or begin != b"<html>":
            with pytest.raises(InputError, match=said) as error:
                read_points(tmp_path / "a.bin", 5)
            assert do in error.value.do


def test_points_that_begin_as_a_packed_file_by_chance_are_read(tmp_path):
    points = np.random.default_rng(0).uniform(-30, 30, (2000, 5)).astype("<f4").tobytes()
    for begin in (b"\x1f\x8b", b"BZh", b"<", bytes(60)):
        (tmp_path / "a.bin").write_bytes(begin + points[len(begin) :])
        assert read_points(tmp_path / "a.bin", 5).shape == (2000, 5)


def test_an_empty_file_is_as_none(root, tmp_path, capsys):
    """As an interrupted download leaves it."""
    file = next((root / "samples" / "CAM_BACK").iterdir())
    picture = file.read_bytes()
    file.write_bytes(b"")
    out = ["--split", "all", "--version", VERSION, "--out", str(tmp_path / "scores")]
    assert main(["evaluate", str(root), *out, "--workers", "0", "--no-baseline"]) == 2
    assert f"file {file}" in capsys.readouterr().err
    assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR) is not None
