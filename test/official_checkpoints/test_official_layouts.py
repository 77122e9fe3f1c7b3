# SPDX-License-Identifier: Apache-2.0
"""Official files in each layout they had become the same weights; the files are built here."""

import numpy as np
import pytest
import torch
from helpers.official_files import (
    axes,
    bare_file,
    ema_file,
    mmcv_file,
    parallel_file,
    same,
    spconv1,
)
from safetensors.torch import save_file

from effocc_ros.checkpoints import load_checkpoint
from effocc_ros.official_checkpoints import convert_file, convert_state
from effocc_ros.official_files import read_official
from effocc_ros.presets import load_preset

LAYOUTS = {
    "(k, k, k, in, out)": (1, 2, 3, 4, 0),
    "(out, in, k, k, k)": (0, 4, 1, 2, 3),
    "(in, out, k, k, k)": (4, 0, 1, 2, 3),
    "(k, k, k, out, in)": (1, 2, 3, 0, 4),
    "(in, k, k, k, out)": (4, 1, 2, 3, 0),
}


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


def test_safetensors_without_a_card_are_taken_too(tmp_path, state):
    save_file(spconv1(state), tmp_path / "a.safetensors")
    convert_file(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert same(load_checkpoint(tmp_path / "b.safetensors")[1], state)


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


def test_half_precision_files_become_float32(state):
    half = {name: v.half() if v.is_floating_point() else v for name, v in state.items()}
    converted = convert_state(half).state
    assert {value.dtype for value in converted.values()} == {torch.float32, torch.int64}
