"""Official files in each layout they had; the files are built here."""

import json
from pathlib import Path

import pytest
import torch
from helpers.deterministic_fill import fill
from safetensors.torch import save_file

from effocc_ros.checkpoints import load_checkpoint
from effocc_ros.cli import main
from effocc_ros.errors import InputError
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.official_checkpoints import convert_file, convert_state
from effocc_ros.presets import load_preset


@pytest.fixture(scope="module", name="state")
def _state():
    return fill(EffOcc(load_preset("lidar_tiny"))).state_dict()


def spconv1(state):
    """The same weights as spconv 1 laid them out: (kz, ky, kx, in, out)."""
    return {
        name: value.permute(1, 2, 3, 4, 0).contiguous() if value.ndim == 5 else value
        for name, value in state.items()
    }


def same(state, expected):
    return state.keys() == expected.keys() and all(
        torch.equal(state[name], expected[name]) for name in expected
    )


def ema_file(state):
    return {"epoch": 42, "state_dict": state, "updates": 12345}


def mmcv_file(state):
    optimizer = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 4e-4}]}
    return {"meta": {"epoch": 24, "CLASSES": None}, "state_dict": state, "optimizer": optimizer}


def parallel_file(state):
    return {"state_dict": {f"module.{name}": value for name, value in state.items()}}


def bare_file(state):
    return state


@pytest.mark.parametrize("wrap", [ema_file, mmcv_file, parallel_file, bare_file])
@pytest.mark.parametrize("layout", [dict, spconv1])
@pytest.mark.parametrize("zipped", [True, False])
def test_each_historical_layout_gives_the_same_weights(tmp_path, state, wrap, layout, zipped):
    source, target = tmp_path / "epoch_42_ema.pth", tmp_path / "out.safetensors"
    torch.save(wrap(layout(state)), source, _use_new_zipfile_serialization=zipped)
    conversion = convert_file(source, target)
    config, converted, card = load_checkpoint(target)
    assert config == load_preset("lidar_tiny")
    assert same(converted, state)
    sparse = sum(value.ndim == 5 for value in state.values())
    assert len(conversion.reshaped) == (sparse if layout is spconv1 else 0)
    assert len(conversion.loaded) + len(conversion.reshaped) == len(state)
    assert conversion.unexpected == conversion.rebuilt == ()
    assert card["trained"]
    assert card["training_data"] == "Occ3D-nuScenes"
    assert "epoch_42_ema.pth, sha256 " in card["source"]


def test_teacher_and_detection_heads_are_left_out_and_said(tmp_path, state, capsys):
    saved = {f"teacher_model.{name}": value + 1 for name, value in state.items()} | state
    saved["pts_bbox_head.shared_conv.weight"] = torch.zeros(2, 2)
    saved["pts_bbox_head.shared_conv.bias"] = torch.zeros(2)
    saved["auxiliary_heads.0.bias"] = torch.zeros(2)
    torch.save(mmcv_file(saved), tmp_path / "a.pth")
    assert main(["checkpoint", "convert", str(tmp_path / "a.pth"), str(tmp_path / "b")]) == 0
    said = capsys.readouterr().out
    assert "lidar_tiny" in said
    assert "pts_bbox_head.* (2), auxiliary_heads.* (1)" in said
    assert f"{len(state)} entries left out" in said
    assert "meta, optimizer" in said
    assert same(load_checkpoint(tmp_path / "b")[1], state)


def test_counters_that_old_versions_did_not_save_are_rebuilt(state):
    old = {name: value for name, value in state.items() if "num_batches" not in name}
    conversion = convert_state(old)
    assert len(conversion.rebuilt) == len(state) - len(old) > 0
    assert same(conversion.state, state)


def test_half_precision_files_become_float32(state):
    half = {name: v.half() if v.is_floating_point() else v for name, v in state.items()}
    converted = convert_state(half).state
    assert {value.dtype for value in converted.values()} == {torch.float32, torch.int64}


def test_safetensors_without_a_card_are_taken_too(tmp_path, state):
    save_file(spconv1(state), tmp_path / "a.safetensors")
    convert_file(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert same(load_checkpoint(tmp_path / "b.safetensors")[1], state)


@pytest.mark.parametrize(
    ("official", "preset"),
    [
        ("fusion_r18", "fusion_r18"),
        ("fusion_r50", "fusion_r50"),
        ("fusion_swinb", "fusion_swin_b"),
        ("flashocc_r50", "vision_r50"),
        ("distill_student_r50", "student_r50"),
        ("distill_student_r50_as_saved", "student_r50"),
        ("waymo_fusion_r18", "waymo_fusion_r18"),
        ("waymo_lidar", "waymo_lidar"),
        ("openoccupancy_fusion_r18", "openoccupancy_fusion_r18"),
        ("openoccupancy_fusion_r50", "openoccupancy_fusion_r50"),
        ("occflow_fusion_r18", "occflow_fusion_r18"),
    ],
)
def test_the_preset_of_every_official_file_is_found(reference_dir, official, preset):
    rows = json.loads((reference_dir / "state_dict" / f"{official}.json").read_text())
    state = {
        name: torch.empty(shape, dtype=getattr(torch, dtype), device="meta")
        for name, shape, dtype in rows
    }
    conversion = convert_state(state)
    assert conversion.preset.name == preset
    assert conversion.teacher == sum(name.startswith("teacher_model.") for name in state)
    assert conversion.unexpected == ()
    assert convert_state(spconv1(state)).preset.name == preset


def test_a_preset_that_does_not_fit_is_refused_with_both_sides(tmp_path, state):
    torch.save(ema_file(state), tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"missing.*keys and shapes of fusion_r18"):
        convert_file(tmp_path / "a.pth", tmp_path / "b.safetensors", preset="fusion_r18")
    assert not (tmp_path / "b.safetensors").exists()


def test_weights_that_fit_no_preset_are_refused_with_the_nearest(state):
    del state["occ_head.predicter.2.bias"]
    with pytest.raises(InputError, match=r"nearest, lidar_tiny.*predicter\.2\.bias"):
        convert_state(state)


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_would_run_code_is_refused_and_runs_none(tmp_path, state, zipped):
    trace = tmp_path / "it_ran"
    content = {"state_dict": {"a": torch.zeros(1)}, "meta": Evil(trace)}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=r"run code.*weights\.pth") as error:
        convert_file(tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert error.value.reason == "unsafe_checkpoint"
    assert not trace.exists()


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 nothing more", b"<html>not found</html>", b"\x80\x02}q\x00."]
)
def test_broken_downloads_are_refused(tmp_path, content):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.pth"):
        convert_file(tmp_path / "a.pth", tmp_path / "b.safetensors")


def test_files_without_a_state_dict_are_refused(tmp_path):
    for name, content in (("list", [1, 2]), ("none", {"epoch": 3}), ("no_map", {"state_dict": 1})):
        torch.save(content, tmp_path / f"{name}.pth")
        with pytest.raises(InputError, match=r"expected a \.pth file with a state_dict"):
            convert_file(tmp_path / f"{name}.pth", tmp_path / "b.safetensors")
    with pytest.raises(InputError, match="no such file"):
        convert_file(tmp_path / "absent.pth", tmp_path / "b.safetensors")
