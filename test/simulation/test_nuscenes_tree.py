# SPDX-License-Identifier: Apache-2.0
import json
import shutil
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
from helpers.full_disk import REFUSED, no_file_above
from helpers.waiting import wait_until

from effocc_ros import cli
from effocc_ros.datasets.benchmarks import open_dataset
from effocc_ros.datasets.nuscenes_tables import NuscenesTables
from effocc_ros.errors import InputError
from effocc_ros.files import only_writer
from effocc_ros.simulation import nuscenes_tree
from effocc_ros.simulation.histogram import label_histogram, label_table
from effocc_ros.simulation.nuscenes_rows import splits_of
from effocc_ros.simulation.nuscenes_tree import TreeConfig, simulate_tree

CONFIG = TreeConfig(scenes=1, keyframes=3, seed=9, image_size=(198, 352))
"""As the session's tree was made."""


@pytest.fixture
def tree(simulated_tree):
    return simulated_tree


def table(tree, name):
    return json.loads((tree / "v1.0-trainval" / f"{name}.json").read_text())


def test_every_token_leads_somewhere(tree):
    known = {
        name: {row["token"] for row in table(tree, name)}
        for name in ("scene", "sample", "sample_data", "ego_pose", "calibrated_sensor", "sensor")
    }
    for row in table(tree, "sample_data"):
        assert row["sample_token"] in known["sample"]
        assert row["ego_pose_token"] in known["ego_pose"]
        assert row["calibrated_sensor_token"] in known["calibrated_sensor"]
        assert row["prev"] in known["sample_data"] | {""}
        assert row["next"] in known["sample_data"] | {""}
        assert (tree / row["filename"]).is_file()
    for row in table(tree, "calibrated_sensor"):
        assert row["sensor_token"] in known["sensor"]
    assert table(tree, "sample_annotation") == []


def test_a_scene_has_its_keyframes_and_the_sweeps_between_them(tree):
    rows = table(tree, "sample_data")
    lidar = [row for row in rows if "LIDAR_TOP" in row["filename"]]
    assert len(lidar) == 21
    assert sum(row["is_key_frame"] for row in lidar) == 3
    assert len(rows) - len(lidar) == 18
    front = sorted(r["timestamp"] for r in rows if "/CAM_FRONT/" in r["filename"])
    assert front[1] - front[0] == 500_000


def test_files_read_as_those_of_nuscenes(tree):
    records = NuscenesTables(tree, "v1.0-trainval").scene("scene-0001")
    for record in records:
        if record.modality == "camera":
            assert cv2.imread(str(record.file)).shape == (198, 352, 3)
            assert record.size == (198, 352)
        else:
            points = np.fromfile(record.file, np.float32).reshape(-1, 5)
            assert len(points) > 20_000
            assert np.isfinite(points).all()


def test_labels_are_those_of_occ3d(tree):
    for sample in table(tree, "sample"):
        with np.load(tree / "gts" / "scene-0001" / sample["token"] / "labels.npz") as labels:
            assert set(labels) == {"semantics", "mask_lidar", "mask_camera"}
            for name in labels:
                assert labels[name].shape == (200, 200, 16)
                assert labels[name].dtype == np.uint8
            assert labels["semantics"].max() == 17
            assert set(np.unique(labels["mask_camera"])) == {0, 1}


def test_a_file_that_was_lost_comes_again_and_the_others_stay(simulated_tree, tmp_path):
    tree = shutil.copytree(simulated_tree, tmp_path / "cut")
    lost = tree / table(tree, "sample_data")[0]["filename"]
    kept = tree / table(tree, "sample_data")[1]["filename"]
    before, time = lost.read_bytes(), kept.stat().st_mtime_ns
    lost.unlink()
    (lost.parent / ".partial-of-a-killed-process.jpg").write_bytes(before[:100])
    simulate_tree(tree, CONFIG, workers=1, progress=False)
    assert lost.read_bytes() == before
    assert kept.stat().st_mtime_ns == time
    assert not list(tree.rglob(".partial-*"))


def test_an_interrupt_ends_all_processes_at_once_and_leaves_whole_files_only(tmp_path):
    out = tmp_path / "data"
    options = ["--scenes=2", "--keyframes=100", "--image-size=96x64", "--workers=2"]
    command = [sys.executable, "-m", "effocc_ros.cli", "simulate", "--out", str(out), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as run:
        wait_until(lambda: list(out.glob("samples/*/*.jpg")), "a picture", seconds=60)
        run.send_signal(signal.SIGINT)
        said = run.communicate(timeout=60)[1]  # workers that live on would hold the pipe open
    assert run.returncode == 130
    assert said.endswith("effocc simulate: interrupted\n")
    assert not list(out.rglob(".partial-*"))
    assert all(cv2.imread(str(path)).shape == (64, 96, 3) for path in out.rglob("*.jpg"))


def test_settings_are_not_mixed_in_one_folder(tree):
    with pytest.raises(InputError, match="another folder"):
        simulate_tree(tree, TreeConfig(1, 4, 9, (198, 352)), progress=False)


def test_scenes_of_another_version_of_the_simulator_are_not_mixed_in(tmp_path):
    note = tmp_path / ".simulation" / "settings.json"
    settings = {"keyframes": 3, "seed": 9, "image_size": [198, 352], "camera_sweeps": False}
    note.parent.mkdir()
    note.write_text(json.dumps(settings | {"streets": nuscenes_tree.STREETS - 1}))
    with pytest.raises(InputError, match=f"'streets': {nuscenes_tree.STREETS}"):
        simulate_tree(tmp_path, CONFIG, progress=False)


def test_a_note_that_was_cut_off_is_named(tmp_path):
    note = tmp_path / ".simulation" / "settings.json"
    note.parent.mkdir()
    note.write_text('{"keyframes": 3')
    with pytest.raises(InputError, match="another folder") as caught:
        simulate_tree(tmp_path, CONFIG, progress=False)
    assert caught.value.what == f"file {note}"


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="other files"):
        simulate_tree(tmp_path, CONFIG, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_two_processes_do_not_write_one_folder(tmp_path):
    with (
        only_writer(tmp_path / "data" / ".simulation" / "lock"),
        pytest.raises(InputError, match="another process") as caught,
    ):
        simulate_tree(tmp_path / "data", CONFIG, progress=False)
    assert caught.value.what == f"folder {tmp_path / 'data'}"


def test_every_scene_is_in_train_or_val_and_every_fifth_in_val(tree):
    splits = json.loads((tree / "v1.0-trainval" / "splits.json").read_text())
    assert splits == {"train": ["scene-0001"], "val": []}
    many = splits_of(f"scene-{number:04d}" for number in range(1, 13))
    assert many["val"] == ["scene-0005", "scene-0010"]
    assert len(many["train"]) == 10


def test_the_datasets_read_a_simulated_split_rather_than_the_official_one(tree):
    assert len(open_dataset("occ3d_nuscenes", tree, "train")) == 3
    with pytest.raises(InputError, match="split val"):
        open_dataset("occ3d_nuscenes", tree, "val")


def test_the_histogram_counts_voxels_and_the_keyframes_that_have_a_class(tmp_path):
    first, second = np.full((2, 200, 200, 16), 17, np.uint8)
    first[0, 0, :4], second[0, 0, :3], second[1, 1, 1] = 11, 11, 4
    for name, semantics in (("a", first), ("b", second)):
        np.savez_compressed(tmp_path / f"{name}.npz", semantics=semantics)
    files = sorted(tmp_path.glob("*.npz"))
    voxels, present = label_histogram(files)
    assert (voxels[11], voxels[4], voxels[17]) == (7, 1, 2 * 640_000 - 8)
    assert (present[11], present[4], present[17], present[0]) == (2, 1, 2, 0)
    lines = label_table(files).splitlines()
    assert len(lines) == 18
    (road,) = [line for line in lines if line.startswith("driveable_surface")]
    assert road.split() == ["driveable_surface", "7", "87.50%", "2", "of", "2"]


def test_a_disk_without_room_is_said_and_the_same_command_goes_on(tmp_path, capsys):
    out = tmp_path / "data"
    options = ["--scenes=1", "--keyframes=1", "--seed=4", "--image-size=96x64", "--workers=1"]
    with no_file_above(100_000):
        assert cli.main(["simulate", "--out", str(out), *options]) == 2
    said = capsys.readouterr().err
    assert f"file {out / 'samples' / 'LIDAR_TOP'}" in said
    assert REFUSED in said
    left = [path.relative_to(out) for path in out.rglob("*") if path.is_file()]
    assert {path.parts[0] for path in left} == {".simulation", "samples"}
    assert not [path for path in left if path.name.startswith(".")]
    assert cli.main(["simulate", "--out", str(out), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("driveable_surface") and "1 of 1" in line for line in lines)
    assert lines[-1] == f"{out}: 1 scenes of 1 keyframes"
