import json

import cv2
import numpy as np
import pytest

from effocc_ros.datasets.nuscenes_tables import NuscenesTables
from effocc_ros.errors import InputError
from effocc_ros.simulation.nuscenes_tree import TreeConfig, simulate_tree

CONFIG = TreeConfig(scenes=1, keyframes=2, seed=9, image_size=(99, 176))


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree") / "nuscenes"
    return simulate_tree(root, CONFIG, workers=1, progress=False)


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
    assert len(lidar) == 11
    assert sum(row["is_key_frame"] for row in lidar) == 2
    assert len(rows) - len(lidar) == 12
    front = sorted(r["timestamp"] for r in rows if "/CAM_FRONT/" in r["filename"])
    assert front[1] - front[0] == 500_000


def test_files_read_as_those_of_nuscenes(tree):
    records = NuscenesTables(tree, "v1.0-trainval").scene("scene-0001")
    for record in records:
        if record.modality == "camera":
            assert cv2.imread(str(record.file)).shape == (99, 176, 3)
            assert record.size == (99, 176)
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


def test_a_run_that_was_cut_short_goes_on_where_it_stopped(tree):
    lost = tree / table(tree, "sample_data")[0]["filename"]
    kept = tree / table(tree, "sample_data")[1]["filename"]
    before, time = lost.read_bytes(), kept.stat().st_mtime_ns
    lost.unlink()
    (tree / ".simulation" / "scene-0001.json").unlink()
    simulate_tree(tree, CONFIG, workers=1, progress=False)
    assert lost.read_bytes() == before
    assert kept.stat().st_mtime_ns == time


def test_settings_are_not_mixed_in_one_folder(tree):
    with pytest.raises(InputError, match="another folder"):
        simulate_tree(tree, TreeConfig(1, 3, 9, (99, 176)), progress=False)


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="other files"):
        simulate_tree(tmp_path, CONFIG, progress=False)
