# SPDX-License-Identifier: Apache-2.0
"""An export that cannot be, or is not right, leaves nothing behind."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers.deterministic_fill import fill
from helpers.tiny_model import make_tiny_checkpoint, tiny_config

from effocc_ros.checkpoints import make_card
from effocc_ros.cli import main
from effocc_ros.errors import InputError
from effocc_ros.export.check import ties
from effocc_ros.export.onnx_files import export_network
from effocc_ros.export.sample import sample_frame
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.preprocess import preprocess
from effocc_ros.presets import load_preset

PACKAGES = ("onnx", "onnxscript", "onnxruntime")


@pytest.fixture
def tiny(tmp_path):
    return make_tiny_checkpoint(tmp_path / "tiny.safetensors", "lidar")


def with_packages():
    for name in PACKAGES:
        pytest.importorskip(name)


def test_one_decided_voxel_that_differs_is_refused_and_no_file_is_left(tmp_path):
    with_packages()
    config = tiny_config("lidar")
    network = fill(EffOcc(config)).requires_grad_(False).fuse_for_inference()
    right = network.predict_labels

    def wrong_once(**inputs):
        labels, *others = right(**inputs)
        logits = network(**inputs).logits.flatten(0, 3)
        surest = (logits.amax(1) - logits.mean(1)).argmax()
        labels.view(-1)[surest] = logits[surest].argmin()
        return labels, *others

    network.predict_labels = wrong_once
    file = tmp_path / "out" / "bev.onnx"
    with pytest.raises(InputError, match=r"of 640,000 voxels with another label") as error:
        export_network(network, make_card(config, trained=False), {"bev": file})
    assert error.value.reason == "export_differs"
    assert list(file.parent.iterdir()) == []


def test_labels_are_ties_when_their_logits_are_closer_than_rounding_can_tell():
    logits = torch.tensor([[8.0, 8.00001, -20.0], [8.0, 8.001, -20.0], [0.0, 0.0, 0.0]])
    first, second = torch.zeros(3, dtype=torch.uint8), torch.ones(3, dtype=torch.uint8)
    assert ties(logits, first, second).tolist() == [True, False, True]


def test_an_unknown_model_is_refused_before_the_folder_is_made(tmp_path, capsys):
    with_packages()
    assert main(["export", "fusion_tin", str(tmp_path / "out")]) == 2
    assert "found 'fusion_tin'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(tiny, tmp_path, capsys):
    with_packages()
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine.txt").write_text("kept")
    assert main(["export", str(tiny), str(folder)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert [file.name for file in folder.iterdir()] == ["mine.txt"]
    assert main(["export", str(tiny), str(folder / "mine.txt")]) == 2
    assert "expected a folder" in capsys.readouterr().err


def test_overwriting_replaces_the_models_files_and_no_others(tiny, tmp_path, capsys, monkeypatch):
    with_packages()
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("mine.txt", "tiny_bev.onnx"):
        (folder / name).write_text("old")
    # Without a check, onnxruntime is not needed.
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["export", str(tiny), str(folder), "--overwrite", "--no-check"]) == 0
    assert "not checked" in capsys.readouterr().out
    assert sorted(file.name for file in folder.iterdir()) == ["mine.txt", "tiny_bev.onnx"]
    assert (folder / "mine.txt").read_text() == "old"
    assert (folder / "tiny_bev.onnx").stat().st_size > 10_000


@pytest.mark.parametrize("missing", PACKAGES)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    missing, tiny, tmp_path, capsys, monkeypatch
):
    with_packages()
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["export", str(tiny), str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert f"found no {missing};" in error
    assert "pip install effocc_ros[export]" in error


def test_no_onnx_package_is_loaded_before_it_is_needed():
    code = (
        "import sys, effocc_ros.export.cli, effocc_ros.predictor\n"
        f"print('loaded', *set({PACKAGES}) & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "loaded\n"


@pytest.mark.parametrize("preset", ["fusion_tiny", "waymo_fusion_r18", "openoccupancy_fusion_r18"])
def test_the_sample_frame_fits_any_network_and_every_camera_sees_points(preset):
    config = load_preset(preset)
    frame, again = sample_frame(config), sample_frame(config)
    np.testing.assert_array_equal(frame.cloud.points, again.cloud.points)
    inputs = preprocess(frame, config)
    assert inputs.camera_mask.all()
    assert ((inputs.depth > 0).sum(dim=(2, 3)) > 100).all()
    lower = torch.tensor(config.voxels.lower)
    upper = lower + torch.tensor(config.voxels.voxel_size) * torch.tensor(config.voxels.shape)
    points = inputs.points[0][:, :3]
    assert ((points >= lower) & (points < upper)).all(dim=1).float().mean() > 0.5
