# SPDX-License-Identifier: Apache-2.0
"""What stands in an official file beside the weights, and which of several networks is taken."""

import numpy as np
import pytest
import torch
from helpers.official_files import mmcv_file, same

from effocc_ros.checkpoints import load_checkpoint
from effocc_ros.cli import main
from effocc_ros.official_checkpoints import convert_state
from effocc_ros.official_files import read_official


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
    assert f"left out    teacher_model. ({len(state)})" in said
    assert "meta, optimizer" in said
    assert same(load_checkpoint(tmp_path / "b")[1], state)


def test_counters_that_old_versions_did_not_save_are_rebuilt(state):
    old = {name: value for name, value in state.items() if "num_batches" not in name}
    conversion = convert_state(old)
    assert len(conversion.rebuilt) == len(state) - len(old) > 0
    assert same(conversion.state, state)


PREFIXES = ("model.", "module.", "module.model.", "net.0.student.", "_orig_mod.", "ema.module.")


@pytest.mark.parametrize("prefix", PREFIXES)
def test_keys_below_a_prefix_are_found_and_it_is_said(state, prefix):
    conversion = convert_state({f"{prefix}{name}": value for name, value in state.items()})
    assert same(conversion.state, state)
    assert f"prefix      {prefix}" in conversion.report().splitlines()


@pytest.mark.parametrize(
    ("prefixes", "taken"),
    [
        (("model.", "teacher_model."), "model."),
        (("module.", "module.teacher_model."), "module."),
        (("model.", "model_ema."), "model_ema."),
        (("", "ema."), "ema."),
        (("", "copy."), ""),
        (("student.", "teacher."), "student."),
    ],
)
def test_of_several_networks_one_is_taken_and_the_others_are_said(state, prefixes, taken):
    both = {f"{prefix}{name}": value for prefix in prefixes for name, value in state.items()}
    conversion = convert_state(both)
    (other,) = set(prefixes) - {taken}
    assert conversion.prefix == taken
    assert conversion.networks == {other: len(state)}
    assert f"left out    {other or 'no prefix'} ({len(state)})" in conversion.report()
    assert conversion.unexpected == ()


@pytest.mark.parametrize("ema", ["state_dict_ema", "ema_state_dict", "model_ema", "ema"])
def test_averaged_weights_go_first_and_the_others_can_be_named(tmp_path, state, capsys, ema):
    last = {name: value + 1 for name, value in state.items()}
    source, target = str(tmp_path / "a.pth"), str(tmp_path / "b.safetensors")
    torch.save({"state_dict": last, ema: state, "epoch": 3}, source)
    assert main(["checkpoint", "convert", source, target]) == 0
    said = capsys.readouterr().out
    assert f"weights     {ema}; also there: state_dict (--weights NAME)" in said
    assert "ignored     epoch" in said
    assert same(load_checkpoint(target)[1], state)
    assert f"a.pth, its {ema}," in load_checkpoint(target)[2]["source"]
    assert main(["checkpoint", "convert", source, target, "--weights", "state_dict"]) == 0
    assert same(load_checkpoint(target)[1], last)
    assert main(["checkpoint", "convert", source, target, "--weights", "best"]) == 2
    assert f"weights under state_dict, {ema}, none under 'best'" in capsys.readouterr().err


def test_a_few_numbers_of_an_average_are_no_weights(tmp_path, state):
    content = {"ema": {"decay": torch.tensor(0.99)}, "state_dict": state}
    torch.save(content, tmp_path / "a.pth")
    read = read_official(tmp_path / "a.pth")
    assert (read.entry, read.others, read.ignored) == ("state_dict", (), ("ema",))


def numpy_1(data):
    """The same file as numpy 1 wrote it: its module was called core, without the underscore."""
    return data.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


@pytest.mark.parametrize("write", [bytes, numpy_1])
def test_numpy_numbers_beside_the_weights_do_no_harm(tmp_path, write):
    numbers = [np.float64(3.0), np.float32(1), np.int64(4), np.uint8(1), np.bool_(True)]
    content = {"meta": {"x": numbers}, "state_dict": {"a": torch.ones(3)}}
    path = tmp_path / "a.pth"
    torch.save(content, path, _use_new_zipfile_serialization=False)
    path.write_bytes(write(path.read_bytes()))
    file = read_official(path)
    assert torch.equal(file.state["a"], torch.ones(3))
    assert (file.entry, file.ignored) == ("state_dict", ("meta",))


def test_the_report_says_how_many_entries_were_missing(state):
    old = {name: value for name, value in state.items() if "num_batches" not in name}
    said = convert_state(old).report().splitlines()
    counted = {line.split()[0]: line.split()[1].rstrip(":") for line in said}
    assert counted["loaded"] == str(len(old))
    assert counted["missing"] == str(len(state) - len(old))
    assert counted["reshaped"] == counted["unexpected"] == "0"
    assert counted["ignored"] == "nothing"


def test_no_line_of_a_report_is_endless(tmp_path, state, capsys):
    more = {f"head_{number}_{'x' * 300}.weight": torch.zeros(1) for number in range(300)}
    content = {f"note {number} {'y' * 300}": number for number in range(300)}
    torch.save({**content, "state_dict": {**state, **more}}, tmp_path / "a.pth")
    source, target = str(tmp_path / "a.pth"), str(tmp_path / "b.safetensors")
    assert main(["checkpoint", "convert", source, target]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) < 2000
    assert any("ignored" in line and "and 288 more" in line for line in lines)
    assert main(["checkpoint", "convert", source, target, "--preset", "fusion_r18"]) == 2
    assert max(map(len, capsys.readouterr().err.splitlines())) < 3000
