# SPDX-License-Identifier: Apache-2.0
import copy
import logging
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.deterministic_fill import fill
from helpers.environments import code_environment
from helpers.small_networks import CONFIGS, SMALL, frame

from effocc_ros.checkpoints import make_card, save_checkpoint
from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.errors import InputError
from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.geometry import VoxelGrid
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.predictor import Predictor, choose_device
from effocc_ros.preprocess import preprocess
from effocc_ros.presets import load_preset


def checkpoint(folder, config, trained=True):
    network = fill(EffOcc(config))
    path = folder / f"{config.name}_weights.safetensors"
    save_checkpoint(path, config, network.state_dict(), make_card(config, trained=trained))
    return path


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    return {modality: checkpoint(folder, config) for modality, config in CONFIGS.items()}


@pytest.fixture(scope="module")
def fusion(checkpoints):
    return Predictor(checkpoints["fusion"], device="cpu")


def test_the_result_says_where_it_stands_and_what_it_is_made_of(fusion):
    result = fusion.predict(frame())
    assert (result.stamp, result.frame_id) == (123_456_789, "base_link")
    assert result.grid == VoxelGrid((-19.2, -19.2, -1.0), (0.8, 0.8, 0.4), (48, 48, 16))
    assert result.classes is OCC3D_NUSCENES
    assert (result.model, result.trained, result.mode) == ("small_weights", True, "fusion")
    assert result.inputs == (*NUSCENES_CAMERAS, "LIDAR_TOP")
    assert result.confidence is None
    assert result.labels.flags.c_contiguous
    assert len(np.unique(result.labels)) > 1


def test_the_labels_are_those_of_the_network_on_the_preprocessed_frame(fusion, checkpoints):
    network = fill(EffOcc(SMALL))
    with torch.no_grad():
        logits = network(**preprocess(frame(), SMALL).keywords()).logits
    expected = logits.argmax(dim=-1)[0].numpy()
    # Folding of the normalisations moves logits by 1e-6.
    assert (fusion.predict(frame()).labels == expected).mean() > 0.999


def test_the_same_frame_gives_the_same_voxels(fusion, checkpoints):
    first = fusion.predict(frame())
    fusion.predict(frame(cameras=NUSCENES_CAMERAS[:3]))
    again = fusion.predict(frame())
    other = Predictor(checkpoints["fusion"], device="cpu", confidence=True).predict(frame())
    np.testing.assert_array_equal(first.labels, again.labels)
    np.testing.assert_array_equal(first.labels, other.labels)
    assert other.confidence.shape == first.labels.shape
    assert other.confidence.min() >= 255 // 18


def test_every_stage_is_timed(fusion):
    fusion.predict(frame())
    assert list(fusion.timings) == ["preprocess", "network", "output"]
    assert all(milliseconds > 0 for milliseconds in fusion.timings.values())


@pytest.mark.parametrize(
    ("cameras", "lidar", "mode", "inputs"),
    [
        (NUSCENES_CAMERAS, False, "vision", NUSCENES_CAMERAS),
        ((), True, "lidar", ("LIDAR_TOP",)),
        (("CAM_BACK", "CAM_DRIVER"), True, "fusion", ("CAM_BACK", "LIDAR_TOP")),
    ],
)
def test_fusion_runs_on_what_there_is_and_says_so(fusion, cameras, lidar, mode, inputs):
    result = fusion.predict(frame(cameras, lidar))
    assert (result.mode, result.inputs) == (mode, inputs)
    assert (result.labels != fusion.predict(frame()).labels).any()


@pytest.mark.parametrize(
    ("modality", "cameras", "lidar", "found"),
    [
        ("vision", (), True, "LIDAR_TOP"),
        ("vision", ("CAM_DRIVER",), False, "CAM_DRIVER"),
        ("lidar", NUSCENES_CAMERAS, False, "CAM_FRONT_LEFT"),
        ("fusion", (), False, "no sensor"),
    ],
)
def test_a_frame_without_the_needed_sensor_is_refused(
    checkpoints, modality, cameras, lidar, found
):
    predictor = Predictor(checkpoints[modality], device="cpu")
    with pytest.raises(InputError, match=f"found {found}") as error:
        predictor.predict(frame(cameras, lidar))
    assert error.value.reason == "no_usable_input"


def test_vision_and_lidar_name_only_what_they_see(checkpoints):
    vision = Predictor(checkpoints["vision"], device="cpu").predict(frame())
    lidar = Predictor(checkpoints["lidar"], device="cpu").predict(frame())
    assert (vision.mode, vision.inputs) == ("vision", NUSCENES_CAMERAS)
    assert (lidar.mode, lidar.inputs) == ("lidar", ("LIDAR_TOP",))


def test_a_network_in_the_lidar_frame_says_so(tmp_path):
    path = checkpoint(tmp_path, replace(SMALL, name="in_lidar", frame="lidar"), trained=False)
    result = Predictor(path, device="cpu").predict(frame())
    assert result.frame_id == "LIDAR_TOP"
    assert result.up == tuple(frame().cloud.sensor2ego[2]) == (0.0, 0.0, 1.0, 1.8)
    assert not result.trained


def test_flow_is_predicted_where_the_network_has_it(fusion, tmp_path):
    config = replace(SMALL, name="flow", classes="openocc_flow", flow=True)
    result = Predictor(checkpoint(tmp_path, config), device="cpu").predict(frame())
    with torch.no_grad():
        outputs = fill(EffOcc(config)).eval()(**preprocess(frame(), config).keywords())
    np.testing.assert_allclose(result.flow, outputs.flow[0], rtol=1e-3, atol=1e-3)
    assert result.flow.std() > 0.01
    assert fusion.predict(frame()).flow is None


def test_a_preset_has_random_weights_always_the_same_and_says_so(caplog):
    state = torch.get_rng_state()
    with caplog.at_level(logging.WARNING, "effocc_ros.loaded_model"):
        first = Predictor("fusion_r18", device="cpu")
    assert "the weights are random" in caplog.text
    assert (first.name, first.trained) == ("fusion_r18", False)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    second = Predictor("fusion_r18", device="cpu")
    ours, theirs = (p._pipeline._network.state_dict() for p in (first, second))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_a_preset_takes_the_checkpoint_that_ships_under_its_name(tmp_path, monkeypatch):
    config = load_preset("lidar_tiny")
    weights = fill(EffOcc(config)).state_dict()
    path = tmp_path / "models" / "lidar_tiny.safetensors"
    path.parent.mkdir()
    save_checkpoint(path, config, weights, make_card(config, trained=True))
    monkeypatch.setattr("effocc_ros.checkpoints.resource_path", lambda name: tmp_path / name)
    with Predictor("lidar_tiny", device="cpu") as predictor:
        assert (predictor.name, predictor.trained) == ("lidar_tiny", True)


def test_a_network_in_memory_predicts_and_can_be_trained_on(checkpoints):
    network = fill(EffOcc(SMALL)).train()
    before = copy.deepcopy(network.state_dict())
    with Predictor.from_network(network, SMALL, device="cpu", name="epoch 3") as predictor:
        result = predictor.predict(frame())
    np.testing.assert_array_equal(
        result.labels, Predictor(checkpoints["fusion"], "cpu").predict(frame()).labels
    )
    assert (result.model, result.trained) == ("epoch 3", True)
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize("preset", ["lidar_tiny", "fusion_tiny", "vision_tiny"])
def test_a_checkpoint_of_half_the_size_gives_the_same_labels(tmp_path, preset):
    config = load_preset(preset)
    network = fill(EffOcc(config))
    card = make_card(config, trained=True)
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    save_checkpoint(whole, config, network.state_dict(), card)
    save_checkpoint(half, config, network.state_dict(), card, half=True)
    assert half.stat().st_size < 0.55 * whole.stat().st_size
    before, after = (Predictor(path, "cpu").predict(frame()).labels for path in (whole, half))
    assert len(np.unique(before)) > 3
    assert (before != after).mean() < 1e-3


def test_a_closed_predictor_holds_no_network(checkpoints):
    with Predictor(checkpoints["fusion"], device="cpu") as predictor:
        predictor.predict(frame())
    with pytest.raises(RuntimeError, match="small_weights was closed"):
        predictor.predict(frame())


def test_an_unknown_model_is_refused_with_the_presets():
    with pytest.raises(InputError, match=r"found 'fusion_r19'.*fusion_r18") as error:
        Predictor("fusion_r19")
    assert error.value.reason == "unknown_model"


@pytest.mark.parametrize(
    ("precision", "has", "said"),
    [
        ("bfloat16", {}, "a CPU that is slower in it"),
        ("bfloat16", {"sse4a": True, "avx512_bf16": False}, "expected a CPU with AMX"),
        ("bfloat16", {"sse4a": False, "avx512_bf16": True}, "AMD with AVX512-BF16"),
        ("float16", {"amx_bf16": True}, "found float16 on a CPU; expected float32, or bfloat16"),
    ],
)
def test_precisions_that_a_cpu_lacks_are_refused(monkeypatch, checkpoints, precision, has, said):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has, raising=False)
    with pytest.raises(InputError, match=said):
        Predictor(checkpoints["fusion"], device="cpu", precision=precision)


@pytest.mark.parametrize(
    "has",
    [
        {"sse4a": False, "amx_bf16": True},
        {"sse4a": True, "amx_bf16": False, "avx512_bf16": True},
    ],
)
def test_a_cpu_that_is_faster_in_bfloat16_may_use_it(monkeypatch, checkpoints, has):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has, raising=False)
    exact = Predictor(checkpoints["fusion"], device="cpu", confidence=True).predict(frame())
    half = Predictor(checkpoints["fusion"], "cpu", "bfloat16", confidence=True).predict(frame())
    assert len(np.unique(exact.labels)) > 3
    assert (half.labels == exact.labels).mean() > 0.9
    assert not np.array_equal(half.confidence, exact.confidence), "it computed in float32"


def test_unknown_precisions_and_devices_are_refused(checkpoints):
    with pytest.raises(InputError, match="one of float32, bfloat16, float16"):
        Predictor(checkpoints["fusion"], device="cpu", precision="int8")
    for name in ("gpu", "cuda:x", "cuda:99", "cpu:1", ""):
        with pytest.raises(InputError, match="device"):
            choose_device(name)


def test_auto_takes_the_cpu_where_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == torch.device("cpu")


def test_a_network_loads_without_pytorch_s_compiler():
    # A single operation on the meta device can import it: seconds of a node's start.
    script = (
        "import sys; from effocc_ros.predictor import Predictor; Predictor('fusion_tiny', 'cpu'); "
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, env=code_environment()).returncode == 0
