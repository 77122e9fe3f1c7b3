"""`effocc evaluate` and the function below it, on a small drive with a tiny network."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from helpers.drives import labels_path, make_drives, write_labels
from helpers.tiny_model import make_tiny_checkpoint

from effocc_ros import cli
from effocc_ros.classes import OCC3D_WAYMO, class_list
from effocc_ros.datasets.benchmarks import label_space, open_dataset
from effocc_ros.errors import InputError
from effocc_ros.evaluation.evaluate import check_fits, evaluate, lidar_origins
from effocc_ros.geometry import OCC3D_GRID
from effocc_ros.presets import load_preset, preset_names

SPACE = label_space("occ3d_nuscenes")
CAR, ROAD = 4, 11


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_drives(tmp_path_factory.mktemp("evaluate") / "nuscenes")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_tiny_checkpoint(tmp_path_factory.mktemp("model") / "tiny.safetensors")


@pytest.fixture(scope="module")
def samples(root):
    dataset = open_dataset("occ3d_nuscenes", root, "mini_train", cameras=())
    return [dataset[0], dataset[1]]


def all_knowing(samples):
    """A network that answers with the labels."""
    truth = {sample.frame.stamp: sample.occupancy() for sample in samples}
    return lambda frame: truth[frame.stamp]


@pytest.mark.parametrize("mask", ["camera", "lidar", "none"])
def test_the_labels_as_predictions_score_full_marks(root, samples, mask):
    dataset = open_dataset("occ3d_nuscenes", root, "mini_train", cameras=())
    confusion, rays = evaluate(
        samples, all_knowing(samples), SPACE, mask=mask, origins=lidar_origins(dataset)
    )
    assert confusion.frames == rays.frames == 2
    assert confusion.mean_iou() == 1
    assert rays.ray_iou() == 1
    # Half of the voxels lie under each mask; the car is not under the camera's.
    assert confusion.counts.sum() == 2 * 200 * 200 * 16 / (1 if mask == "none" else 2)
    assert confusion.counts[CAR, CAR] == (0 if mask == "camera" else 2)


def test_a_missed_voxel_costs_what_it_should(samples):
    def predict(frame):
        seen = all_knowing(samples)(frame)
        labels = seen.labels.copy()
        labels[:50, :, 0] = SPACE.classes.free
        return replace(seen, labels=labels)

    confusion, rays = evaluate(samples, predict, SPACE)
    assert rays is None
    assert confusion.iou()[ROAD] == 0.75


def test_rays_start_where_the_lidar_was_in_the_scene(root, samples):
    origins = lidar_origins(open_dataset("occ3d_nuscenes", root, "mini_train"))(samples[0])
    # Two key frames 0.5 s apart at 10 m/s in a slow turn.
    assert origins.shape == (2, 3)
    np.testing.assert_allclose(origins[0], samples[0].frame.cloud.sensor2ego[:3, 3], atol=1e-6)
    assert np.linalg.norm(origins[1] - origins[0]) == pytest.approx(5, rel=1e-2)


def test_noise_does_not_count_and_a_mask_that_is_not_there_is_said(samples):
    space = replace(SPACE, ignore=CAR)
    confusion, _ = evaluate(samples, all_knowing(samples), space)
    assert confusion.counts[CAR].sum() == 0
    bare = replace(samples[0], truth=replace(samples[0].truth, mask_lidar=None))
    with pytest.raises(InputError, match="no such mask in the labels of occ3d_nuscenes"):
        evaluate([bare], all_knowing(samples), SPACE, mask="lidar")
    with pytest.raises(InputError, match="found no labels"):
        evaluate([replace(samples[0], truth=None)], all_knowing(samples), SPACE)


def test_other_classes_and_other_grids_are_refused_by_name():
    with pytest.raises(InputError, match=r"16 classes of occ3d_waymo.*18 classes of occ3d_nusc"):
        check_fits("m", OCC3D_WAYMO, OCC3D_GRID, SPACE)
    grid = replace(OCC3D_GRID, shape=(100, 100, 16))
    with pytest.raises(InputError, match=r"model m: found \(100, .* expected \(200, 200, 16\)"):
        check_fits("m", SPACE.classes, grid, SPACE)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_fits_the_benchmark_of_its_classes(name):
    config = load_preset(name)
    check_fits(name, class_list(config.classes), config.grid, label_space(config.classes))


def test_the_verb_prints_the_table_and_writes_numbers_and_charts(root, tiny, tmp_path, capsys):
    arguments = ["evaluate", str(root), "--split", "mini_val", "--model", str(tiny), "--rayiou"]
    out = tmp_path / "out"
    assert cli.main([*arguments, "--limit", "1", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "tiny, occ3d_nuscenes mini_val, mask camera (1 frame)" in printed
    assert "driveable_surface" in printed
    assert "RayIoU" in printed
    scores = json.loads((out / "scores.json").read_text())
    assert scores["frames"] == 1
    assert 0 <= scores["summary"]["mIoU"] < 1
    assert json.loads((out / "rayiou.json").read_text())["summary"]["RayIoU"] < 1
    for picture in ("scores.png", "rayiou.png"):
        assert cv2.imread(str(out / picture)).shape[1] == 1600


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--limit", "0"], "--limit: found 0"),
        (["--dataset", "openoccupancy", "--mask", "lidar"], "--mask: found lidar on openocc"),
        (["--dataset", "occ3d_waymo", "--rayiou"], "--rayiou: found occ3d_waymo"),
        (["--dataset", "occ3d_waymo", "--version", "v1.0-mini"], "--version: found v1.0-mini"),
        (["--dataset", "occ3d_waymo"], "18 classes of occ3d_nuscenes; expected the 16 classes"),
        (["--split", "nowhere"], "v1.0-trainval"),
    ],
)
def test_what_cannot_be_scored_is_one_line(root, tiny, capsys, tmp_path, options, said):
    command = ["evaluate", str(root), "--model", str(tiny), "--out", str(tmp_path / "out")]
    assert cli.main([*command, *options]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_broken_sample_is_named(tmp_path, tiny, capsys):
    root = make_drives(tmp_path / "drives", ("scene-0103",), keyframes=1, sweeps=0)
    path = labels_path(root, "scene-0103", 0)
    write_labels(path, mask_camera=None)
    command = ["evaluate", str(root), "--split", "mini_val", "--model", str(tiny)]
    assert cli.main([*command, "--out", str(tmp_path / "out")]) == 2
    assert str(path) in capsys.readouterr().err
