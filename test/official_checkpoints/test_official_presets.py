# SPDX-License-Identifier: Apache-2.0
"""The preset is found by the weights, or the refusal says what does not fit."""

import json

import pytest
import torch
from helpers.official_files import ema_file, spconv1

from effocc_ros.checkpoints import state_shapes
from effocc_ros.cli import main
from effocc_ros.errors import InputError
from effocc_ros.official_checkpoints import convert_file, convert_state
from effocc_ros.presets import load_preset, preset_names


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
    teacher = sum(name.startswith("teacher_model.") for name in state)
    assert conversion.networks == ({"teacher_model.": teacher} if teacher else {})
    assert conversion.unexpected == ()
    assert convert_state(spconv1(state)).preset.name == preset


def test_a_preset_that_does_not_fit_is_refused_with_both_sides(tmp_path, state):
    torch.save(ema_file(state), tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"missing.*keys and shapes of fusion_r18"):
        convert_file(tmp_path / "a.pth", tmp_path / "b.safetensors", preset="fusion_r18")
    assert not (tmp_path / "b.safetensors").exists()


def meta_state(preset):
    return {
        name: torch.empty(shape, device="meta")
        for name, shape in state_shapes(load_preset(preset)).items()
    }


FUSION = [name for name in preset_names() if load_preset(name).modality == "fusion"]


@pytest.mark.parametrize("preset", FUSION)
@pytest.mark.parametrize("part", ["img_backbone.", "img_neck.", "occ_fuser."])
def test_a_fusion_file_that_lacks_one_image_key_does_not_become_a_lidar_network(preset, part):
    state = meta_state(preset)
    lost = next(name for name in state if name.startswith(part))
    del state[lost]
    with pytest.raises(InputError) as error:
        convert_state(state)
    assert f"nearest, {preset}: 1 missing ({lost})" in str(error.value)


def test_weights_that_fit_no_preset_are_refused_with_the_nearest(state):
    wrong = dict(state)
    del wrong["occ_head.predicter.2.bias"]
    with pytest.raises(InputError, match=r"nearest, lidar_tiny.*predicter\.2\.bias"):
        convert_state(wrong)


@pytest.mark.parametrize("preset", [None, "lidar_tiny"])
def test_entries_of_the_family_that_the_preset_does_not_have_are_refused(state, preset):
    more = {**state, "img_neck.extra.weight": torch.zeros(1)}
    with pytest.raises(InputError, match=r"1 unexpected \(img_neck\.extra\.weight\)"):
        convert_state(more, preset=preset)


@pytest.mark.parametrize("named", [[], ["--preset", "lidar_tiny"]])
def test_a_refusal_prints_every_entry_that_does_not_fit(tmp_path, state, named, capsys):
    heads = [name for name in state if name.startswith("pts_neck.") and "num_b" not in name]
    assert len(heads) > 4
    wrong = {name: value for name, value in state.items() if name not in heads}
    wrong["occ_head.predicter.2.bias"] = torch.zeros(3)
    wrong |= {f"occ_fuser.{i}": torch.zeros(1) for i in range(6)}
    torch.save(ema_file(wrong), tmp_path / "a.pth")
    target = tmp_path / "b.safetensors"
    assert main(["checkpoint", "convert", str(tmp_path / "a.pth"), str(target), *named]) == 2
    said = capsys.readouterr().err.splitlines()
    shape = tuple(state["occ_head.predicter.2.bias"].shape)
    bad = [*heads, *(f"occ_fuser.{i}" for i in range(6))]
    bad.append(f"occ_head.predicter.2.bias (3,) instead of {shape}")
    assert {f"    {name}" for name in bad} == {line for line in said if line.startswith("  ")}
    assert f"missing  {len(heads)}" in said
    assert "wrong shape  1" in said
    assert "unexpected  6" in said
    assert not target.exists()
