# SPDX-License-Identifier: Apache-2.0
"""Official files in each layout they had; the files are built here."""

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.deterministic_fill import fill
from safetensors.torch import save_file

from effocc_ros.checkpoints import load_checkpoint, state_shapes
from effocc_ros.cli import main
from effocc_ros.errors import InputError
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.official_checkpoints import convert_file, convert_state
from effocc_ros.official_files import read_official
from effocc_ros.presets import load_preset, preset_names


@pytest.fixture(scope="module", name="state")
def _state():
    return fill(EffOcc(load_preset("lidar_tiny"))).state_dict()


def axes(*order):
    """The sparse weights with their axes (out, kz, ky, kx, in) in another order."""
    return lambda state: {
        name: value.permute(order).contiguous() if value.ndim == 5 else value
        for name, value in state.items()
    }


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
    assert f"left out    teacher_model. ({len(state)})" in said
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


def test_the_report_says_how_many_entries_were_missing(state):
    old = {name: value for name, value in state.items() if "num_batches" not in name}
    said = convert_state(old).report().splitlines()
    counted = {line.split()[0]: line.split()[1].rstrip(":") for line in said}
    assert counted["loaded"] == str(len(old))
    assert counted["missing"] == str(len(state) - len(old))
    assert counted["reshaped"] == counted["unexpected"] == "0"
    assert counted["ignored"] == "nothing"


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


def test_a_plain_pickle_that_would_run_code_is_refused_as_such(tmp_path):
    (tmp_path / "a.pth").write_bytes(pickle.dumps({"meta": Evil(tmp_path / "it_ran")}, 2))
    with pytest.raises(InputError, match="run code") as error:
        read_official(tmp_path / "a.pth")
    assert error.value.reason == "unsafe_checkpoint"
    assert not (tmp_path / "it_ran").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "a file of 0 bytes, not a torch file"),
        (b"PK\x03\x04 nothing more", "cannot be read: not a torch file, or cut short"),
        (b"<!DOCTYPE html>not found", "a web page of 24 bytes, not a torch file"),
        (b"cannot find\nthe file\n", "a file of 21 bytes, not a torch file"),
        (b"\x80\x02}q\x00.", "not a torch file"),
    ],
)
def test_broken_downloads_are_refused_as_such(tmp_path, content, said):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(InputError, match=said) as error:
        convert_file(tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert error.value.reason == "bad_checkpoint"
    assert "Download the file again" in str(error.value)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_cut_anywhere_is_said_to_be_cut_not_to_run_code(tmp_path, zipped):
    whole, cut = tmp_path / "whole.pth", tmp_path / "cut.pth"
    content = {"state_dict": {"a": torch.ones(3), "b": torch.ones(2, 2)}, "epoch": 3}
    torch.save(content, whole, _use_new_zipfile_serialization=zipped)
    data = whole.read_bytes()
    for kept in range(1, len(data), 11 if zipped else 1):
        cut.write_bytes(data[:kept])
        with pytest.raises(InputError, match="not a torch file") as error:
            read_official(cut)
        assert error.value.reason == "bad_checkpoint"


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


def test_files_without_a_state_dict_are_refused(tmp_path):
    for name, content in (("list", [1, 2]), ("none", {"epoch": 3}), ("no_map", {"state_dict": 1})):
        torch.save(content, tmp_path / f"{name}.pth")
        with pytest.raises(InputError, match=r"expected a \.pth file with a state_dict"):
            convert_file(tmp_path / f"{name}.pth", tmp_path / "b.safetensors")
    with pytest.raises(InputError, match="no such file"):
        convert_file(tmp_path / "absent.pth", tmp_path / "b.safetensors")


LAYOUTS = {
    "(k, k, k, in, out)": (1, 2, 3, 4, 0),
    "(out, in, k, k, k)": (0, 4, 1, 2, 3),
    "(in, out, k, k, k)": (4, 0, 1, 2, 3),
    "(k, k, k, out, in)": (1, 2, 3, 0, 4),
    "(in, k, k, k, out)": (4, 1, 2, 3, 0),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_sparse_weights_of_each_layout_that_shapes_can_tell_are_turned(state, layout):
    conversion = convert_state(axes(*LAYOUTS[layout])(state))
    assert same(conversion.state, state)
    assert conversion.layout == layout
    assert f"from {layout} to (out, k, k, k, in)" in conversion.report()
    # Blocks have as many inputs as outputs: alone they could be of either order.
    assert {value.shape[0] == value.shape[4] for value in state.values() if value.ndim == 5} == {
        True,
        False,
    }


@pytest.mark.parametrize("layout", ["(k, k, k, in, out)", *LAYOUTS, "(out, k, k, k, in)"])
def test_kernels_whose_axes_are_one_are_spread_out(state, layout):
    order = LAYOUTS.get(layout, (0, 1, 2, 3, 4))
    flat = axes(*order)(state)
    for name, value in flat.items():
        if value.ndim == 5:
            first = order.index(1)
            flat[name] = value.flatten(first, first + 2)
    conversion = convert_state(flat)
    assert same(conversion.state, state)
    assert conversion.layout == layout.replace("k, k, k", "k*k*k")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_named_preset_reads_each_layout_too(state, layout):
    turned = axes(*LAYOUTS[layout])(state)
    assert same(convert_state(turned, preset="lidar_tiny").state, state)


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


META = {
    "array": np.arange(6.0).reshape(2, 3),
    "turned": np.arange(6).reshape(2, 3).T,
    "words": np.array(["a", "b"]),
    "objects": np.array([1, "a", None], object),
    "number": np.float32(3),
    "set": {1, 2},
    "bytes": b"raw",
    "long": 2**100,
    "kind": torch.float16,
    "shape": torch.Size([1, 2]),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_of_every_protocol_are_read_with_what_stands_beside(tmp_path, protocol, zipped):
    base = torch.arange(24.0)
    state = {
        "whole": base,
        "part": base[3:9],
        "turned": base.view(4, 6).t(),
        "parameter": torch.nn.Parameter(torch.ones(3)),
        "count": torch.tensor(5),
        "half": torch.ones(2).bfloat16(),
        "flags": torch.tensor([True, False]),
        "nothing": torch.empty(0),
    }
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))]).state_dict()
    content = {"meta": META, "state_dict": state, "optimizer": optimizer}
    torch.save(
        content,
        tmp_path / "a.pth",
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=zipped,
    )
    read = read_official(tmp_path / "a.pth")
    assert read.state.keys() == state.keys()
    for name, value in state.items():
        assert read.state[name].dtype == value.dtype
        assert torch.equal(read.state[name], value)
    assert read.ignored == ("meta", "optimizer")


def test_a_published_file_of_protocol_4_becomes_a_checkpoint(tmp_path, state):
    torch.save(mmcv_file(state), tmp_path / "a.pth", pickle_protocol=4)
    convert_file(tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert same(load_checkpoint(tmp_path / "b.safetensors")[1], state)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path, state, value):
    name = "pts_backbone.blocks.0.1.running_var"
    wrong = {**state, name: torch.full_like(state[name], value)}
    torch.save(ema_file(wrong), tmp_path / "a.pth")
    with pytest.raises(InputError, match=rf"a\.pth: found 1 entries.*not finite \({name}\)"):
        convert_file(tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert not (tmp_path / "b.safetensors").exists()


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


def rezipped(path, change):
    """The same archive with its entries changed: name, data -> data and how they are packed."""
    with zipfile.ZipFile(path) as old:
        entries = [(info.filename, old.read(info)) for info in old.infolist()]
    with zipfile.ZipFile(path, "w") as new:
        for name, data in entries:
            new.writestr(name, *change(name, data))


def test_weights_that_are_packed_are_not_unpacked(tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"state_dict": {"a": torch.zeros(5_000_000)}}, path)
    rezipped(path, lambda name, data: (data, zipfile.ZIP_DEFLATED))
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="bytes of storage 0"):
        read_official(path)


@pytest.mark.parametrize("size", [10**12, 30])
def test_a_tensor_beyond_its_bytes_is_refused(tmp_path, size):
    path = tmp_path / "a.pth"
    torch.save({"state_dict": {"a": torch.zeros(20)}}, path)
    grown = pickle.dumps(size, 2)[2:-1]
    count = pickle.dumps(20, 2)[2:-1]
    rezipped(path, lambda name, data: (data.replace(count, grown),))
    with pytest.raises(InputError, match="cannot be read"):
        read_official(path)


def test_a_bit_that_flipped_is_found(tmp_path, state):
    path = tmp_path / "a.pth"
    torch.save(ema_file(state), path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="checksum"):
        convert_file(path, tmp_path / "b.safetensors")


ABSURD = {
    "absurd": lambda value: value.fill_(1e30),
    "whole": lambda value: (100 * value).to(torch.int8),
    "not finite": lambda value: value.fill_(float("inf")),
}


@pytest.mark.parametrize("kind", ABSURD)
def test_numbers_that_are_no_weights_of_a_trained_network_are_named(tmp_path, state, kind):
    name = next(name for name, value in state.items() if value.ndim == 5)
    torch.save(
        {"state_dict": {**state, name: ABSURD[kind](state[name].clone())}}, tmp_path / "a.pth"
    )
    with pytest.raises(InputError, match=f"numbers that are {kind}.*{name}") as caught:
        convert_file(tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert caught.value.reason == "bad_weights"
    assert not (tmp_path / "b.safetensors").exists()


def test_a_file_of_zeros_is_no_trained_network(tmp_path, state):
    nothing = {name: torch.zeros_like(value) for name, value in state.items()}
    torch.save({"state_dict": nothing}, tmp_path / "a.pth")
    with pytest.raises(InputError, match="numbers that are all zero"):
        convert_file(tmp_path / "a.pth", tmp_path / "b.safetensors")
