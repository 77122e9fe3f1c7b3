# SPDX-License-Identifier: Apache-2.0
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
from effocc_ros.datasets.sample import Labels
from effocc_ros.errors import InputError
from effocc_ros.evaluation.evaluate import check_fits, evaluate, evaluate_all, lidar_origins
from effocc_ros.evaluation.guess import learn_guess
from effocc_ros.geometry import OCC3D_GRID
from effocc_ros.presets import load_preset, preset_names

SPACE = label_space("occ3d_nuscenes")
CAR, ROAD = 4, 11
FREE = Labels(np.full(OCC3D_GRID.shape, SPACE.classes.free, np.uint8))


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


def test_several_predictors_are_scored_on_the_same_samples(samples):
    truth = all_knowing(samples)
    scores = evaluate_all(
        samples,
        {"right": lambda sample: truth(sample.frame), "guess": learn_guess([FREE], SPACE)},
        SPACE,
        mask="lidar",
        origins=lambda sample: np.array([[0.0, 0.0, 1.8]]),
        without_rays=["guess"],
    )
    assert scores["right"].confusion.mean_iou() == scores["right"].rays.ray_iou() == 1
    assert scores["guess"].confusion.geometric_iou() == 0
    assert scores["guess"].confusion.counts.sum() == scores["right"].confusion.counts.sum()
    assert scores["guess"].rays is None


def test_flow_is_scored_where_both_sides_have_it(samples):
    space = label_space("openocc_flow")
    semantics = np.full(space.grid.shape, space.classes.free, np.uint8)
    semantics[110:120, 90:110, 2:6] = 0
    flow = np.zeros((*space.grid.shape, 2), np.float32)
    flow[110:120, 90:110, 2:6] = (3.0, 4.0)
    truth = Labels(semantics, flow=flow)
    parked = replace(learn_guess([truth], space), labels=semantics)
    sample = replace(samples[0], truth=truth, space=space)
    origins = {"origins": lambda sample: np.array([[0.0, 0.0, 1.8]])}
    rays = evaluate_all([sample], {"parked": parked}, space, **origins)["parked"].rays
    assert rays.ray_iou() == 1
    assert rays.velocity_errors()[0] == pytest.approx(5)
    assert rays.score() == pytest.approx(0.9)
    moving = evaluate([sample], lambda frame: replace(parked(sample), flow=flow), space, **origins)
    assert moving.rays.score() == 1


def test_the_verb_says_everything_at_once_and_with_workers(root, tiny, tmp_path, capsys):
    """One frame, so that what is told of it can be compared: with processes and without."""
    command = ["evaluate", str(root), "--split", "mini_val", "--model", str(tiny), "--rayiou"]
    command += ["--corrupt", "lidar_gone,six_cameras_gone", "--limit", "1"]
    for workers in ("0", "1"):
        out = tmp_path / workers
        assert cli.main([*command, "--workers", workers, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "guess: a guess without sensors (2 training labels)" in printed
    for name in ("scores.json", "rayiou.json", "robustness.json"):
        alone, helped = (json.loads((tmp_path / w / name).read_text()) for w in ("0", "1"))
        assert alone == helped
    rows = {row["name"]: row for row in alone["rows"]}
    assert list(rows) == ["all as it should be", "lidar_gone", "six_cameras_gone", "guess"]
    assert rows["lidar_gone"]["mIoU"] != rows["all as it should be"]["mIoU"]
    # The labels of the drives are all alike but for one voxel.
    assert rows["guess"]["mIoU"] > 0.9
    assert cv2.imread(str(tmp_path / "0" / "robustness.png")).shape[1] == 1600


def test_without_labels_to_learn_from_there_is_no_baseline_and_it_is_said(tmp_path, tiny, capsys):
    root = make_drives(tmp_path / "drives", ("scene-0103",), keyframes=1, sweeps=0)
    command = ["evaluate", str(root), "--split", "mini_val", "--model", str(tiny)]
    assert cli.main([*command, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "no baseline, for the split mini_train cannot be read: split mini_train" in printed
    assert "no baseline beside these scores" in printed
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert "baseline" not in scores


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
    assert scores["baseline"]["summary"]["geometric IoU"] > 0.9
    assert 0 <= scores["summary"]["mIoU"] < 1
    assert json.loads((out / "rayiou.json").read_text())["summary"]["RayIoU"] < 1
    for picture in ("scores.png", "rayiou.png"):
        assert cv2.imread(str(out / picture)).shape[1] == 1600


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--limit", "0"], "--limit: found 0"),
        (["--workers", "-1"], "--workers: found -1"),
        (["--split", "mini_val", "--corrupt", "rain"], "--corrupt: found 'rain'"),
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


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_broken_sample_is_named(tmp_path, tiny, capsys, workers):
    root = make_drives(tmp_path / "drives", ("scene-0103",), keyframes=1, sweeps=0)
    path = labels_path(root, "scene-0103", 0)
    write_labels(path, semantics=None)
    command = ["evaluate", str(root), "--split", "mini_val", "--model", str(tiny)]
    command += ["--no-baseline", "--workers", workers]
    assert cli.main([*command, "--out", str(tmp_path / "out")]) == 2
    assert str(path) in capsys.readouterr().err


def test_labels_without_masks_are_scored_as_the_advice_says(tmp_path, tiny, capsys):
    root = make_drives(tmp_path / "drives", ("scene-0103",), keyframes=1, sweeps=0)
    path = labels_path(root, "scene-0103", 0)
    write_labels(path, mask_camera=None, mask_lidar=None)
    command = ["evaluate", str(root), "--split", "mini_val", "--model", str(tiny)]
    command += ["--no-baseline", "--out", str(tmp_path / "out")]
    assert cli.main(command) == 2
    said = capsys.readouterr().err
    assert f"of sample {path.parent.name}" in said
    assert "Give --mask none" in said
    assert cli.main([*command, "--mask", "none"]) == 0


def test_a_part_of_a_download_is_scored_for_what_it_has(tmp_path, tiny, capsys):
    root = make_drives(tmp_path / "drives", ("scene-0103",), keyframes=3, sweeps=0)
    labels_path(root, "scene-0103", 0).unlink()
    labels_path(root, "scene-0103", 1).write_bytes(b"PK\x03\x04 cut")
    command = ["evaluate", str(root), "--split", "mini_val", "--model", str(tiny), "--no-baseline"]
    assert cli.main([*command, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "left out: 1 of 3 samples without all of their files" in printed
    assert f"left out: 1 that cannot be read: file {labels_path(root, 'scene-0103', 1)}" in printed
    assert json.loads((tmp_path / "out" / "scores.json").read_text())["frames"] == 1
    (root / "samples/CAM_BACK").rename(root / "samples/elsewhere")
    assert cli.main([*command, "--out", str(tmp_path / "out")]) == 2
    assert "at least one of 3 samples" in capsys.readouterr().err
