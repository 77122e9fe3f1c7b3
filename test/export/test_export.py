# SPDX-License-Identifier: Apache-2.0
"""Exported files: what is in them, and the voxels that they give."""

import contextlib
import io
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.deterministic_fill import fill
from helpers.tiny_model import tiny_config
from helpers.toy_drive import PERIOD, START, make_toy_bag

from effocc_ros.bags.frames import read_frame
from effocc_ros.checkpoints import make_card, save_checkpoint
from effocc_ros.cli import main
from effocc_ros.export.check import ties
from effocc_ros.export.halves import InOnnxruntime, run_halves
from effocc_ros.export.onnx_files import OPSET, export_network
from effocc_ros.export.sides import sides_of
from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.loaded_model import load_model
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.predictor import Predictor
from effocc_ros.preprocess import preprocess
from effocc_ros.presets import config_from_mapping, load_preset
from effocc_ros.rig import load_rig

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

PRESETS = ("fusion_tiny", "vision_tiny", "lidar_tiny")
IMAGES, DEPTH = ("images", (1, 6, 3, 128, 352)), ("depth", (1, 6, 128, 352))
CAMERA_OUT = (("depth_probability", (1, 6, 88, 16, 44)), ("context", (1, 6, 32, 16, 44)))
CAMERA_BEV = ("camera_bev", (1, 32, 100, 100))
LIDAR_BEV = ("lidar_bev", (1, 256, 100, 100))
BEV_OUT = (("labels", (1, 200, 200, 16)), ("logits", (1, 200, 200, 16, 18)))
TENSORS = {
    ("fusion_tiny", "camera"): ((IMAGES, DEPTH), CAMERA_OUT),
    ("fusion_tiny", "bev"): ((CAMERA_BEV, LIDAR_BEV), BEV_OUT),
    ("vision_tiny", "camera"): ((IMAGES,), CAMERA_OUT),
    ("vision_tiny", "bev"): ((CAMERA_BEV,), BEV_OUT),
    ("lidar_tiny", "bev"): ((LIDAR_BEV,), BEV_OUT),
}


@dataclass(frozen=True)
class Exported:
    preset: str
    checkpoint: Path
    files: dict[str, Path]
    text: str


def export(preset: str, folder: Path) -> Exported:
    """Fill a preset with weights that let the inputs decide, and export it by the verb."""
    config = load_preset(preset)
    checkpoint = folder / "mine.safetensors"
    card = make_card(config, trained=True, licence="none")
    save_checkpoint(checkpoint, config, fill(EffOcc(config)).state_dict(), card)
    out = folder / "onnx"
    with contextlib.redirect_stdout(io.StringIO()) as text:
        assert main(["export", str(checkpoint), str(out), "--logits"]) == 0
    files = {file.stem.removeprefix("mine_"): file for file in out.iterdir()}
    return Exported(preset, checkpoint, files, text.getvalue())


@pytest.fixture(scope="module", params=PRESETS)
def exported(request, tmp_path_factory):
    return export(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def toy_frame(tmp_path_factory):
    bag = make_toy_bag(tmp_path_factory.mktemp("drive") / "bag", moments=3)
    rig, config = load_rig("nuscenes"), load_preset("fusion_tiny")
    return read_frame(bag, rig, config, stamp=START + 2 * PERIOD)


def differing_voxels(exported, frame):
    """Count voxels that the files and the Predictor label otherwise, but for ties."""
    model = load_model(exported.checkpoint)
    network = model.network.requires_grad_(False).fuse_for_inference()
    got = run_halves(network, preprocess(frame, model.config), InOnnxruntime(exported.files))
    assert len(got["labels"].unique()) > 5
    expected = torch.from_numpy(Predictor(exported.checkpoint, "cpu").predict(frame).labels)[None]
    apart = got["labels"] != expected
    tied = ties(got["logits"][apart], expected[apart], got["labels"][apart])
    assert len(tied) <= 10
    return int((~tied).sum())


def test_each_modality_has_its_sides(exported):
    sides = {side for preset, side in TENSORS if preset == exported.preset}
    assert set(exported.files) == sides


def test_halves_with_our_splat_and_sparse_encoder_give_the_predictors_voxels(exported, toy_frame):
    assert differing_voxels(exported, toy_frame) == 0


def test_silent_sensors_change_nothing_of_that(exported, toy_frame):
    two = tuple(c for c in toy_frame.cameras if c.name in NUSCENES_CAMERAS[:2])
    left = {
        "fusion_tiny": {"cameras": two, "cloud": None},
        "vision_tiny": {"cameras": two},
        "lidar_tiny": {"cameras": ()},
    }
    assert differing_voxels(exported, replace(toy_frame, **left[exported.preset])) == 0


def test_tensors_have_names_fixed_shapes_and_types(exported):
    for side, file in exported.files.items():
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        inputs, outputs = TENSORS[exported.preset, side]
        assert [(t.name, tuple(t.shape)) for t in session.get_inputs()] == list(inputs)
        assert [(t.name, tuple(t.shape)) for t in session.get_outputs()] == list(outputs)
        types = {t.name: t.type for t in (*session.get_inputs(), *session.get_outputs())}
        assert types.pop("labels", "tensor(uint8)") == "tensor(uint8)"
        assert set(types.values()) == {"tensor(float)"}


def test_files_are_valid_carry_the_card_and_name_no_folder_of_this_machine(exported, repository):
    for side, file in exported.files.items():
        model = onnx.load(file)
        onnx.checker.check_model(model, full_check=True)
        assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", OPSET)]
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        card = json.loads(metadata["effocc_card"])
        assert config_from_mapping(card["config"], "card") == load_preset(exported.preset)
        assert (card["trained"], card["licence"]) == (True, "none")
        assert metadata["effocc_side"] == side
        assert str(repository).encode() not in file.read_bytes()


def test_the_summary_says_what_came_out_and_how_far_it_is_from_torch(exported):
    for side, file in exported.files.items():
        assert f"{file}: {file.stat().st_size / 1e6:.1f} MB, " in exported.text
        for tensors in TENSORS[exported.preset, side]:
            for name, shape in tensors:
                line = next(x for x in exported.text.splitlines() if f" {name} " in f"{x} ")
                assert line.endswith(" x ".join(map(str, shape)))
    assert " of 640,000 voxels differ from torch (" in exported.text
    assert "max |diff| of logits: " in exported.text
    assert "trained weights" in exported.text


def test_a_flow_network_gives_its_flow_and_labels_without_logits(tmp_path):
    config = replace(tiny_config("lidar"), flow=True)
    network = fill(EffOcc(config)).requires_grad_(False).fuse_for_inference()
    file = tmp_path / "flow.onnx"
    comparison = export_network(network, make_card(config, trained=False), {"bev": file})
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    assert [t.name for t in session.get_outputs()] == ["labels", "flow"]
    bev = np.random.default_rng(3).random(session.get_inputs()[0].shape, np.float32)
    flow = session.run(["flow"], {"lidar_bev": bev})[0]
    _, expected = network.occ_head(network.merge(None, torch.from_numpy(bev)))
    np.testing.assert_allclose(flow, expected, rtol=1e-3, atol=1e-3)
    assert comparison.same
    assert list(comparison.differences) == ["flow"]


def test_a_network_with_flow_runs_the_convolution_of_its_head_once():
    config = replace(tiny_config("lidar"), classes="openocc_flow", flow=True)
    network = fill(EffOcc(config)).eval()
    (side,) = sides_of(network)
    calls = []
    network.occ_head.final_conv.register_forward_hook(lambda *_: calls.append(1))
    with torch.inference_mode():
        outputs = side.module(*(torch.rand(shape) for shape in side.inputs.values()))
    assert [tuple(output.shape) for output in outputs] == list(side.outputs.values())
    assert list(side.outputs) == ["labels", "flow"]
    assert len(calls) == 1
