# SPDX-License-Identifier: Apache-2.0
import json
import time

import pytest
import torch
from helpers.deterministic_fill import fill
from safetensors.torch import save_file

from effocc_ros.checkpoints import (
    CARD_KEY,
    load_checkpoint,
    make_card,
    read_card,
    save_checkpoint,
    state_shapes,
)
from effocc_ros.cli import main
from effocc_ros.errors import InputError
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.official_files import read_official
from effocc_ros.presets import load_preset


@pytest.fixture(scope="module", name="config")
def _config():
    return load_preset("lidar_tiny")


@pytest.fixture(scope="module", name="state")
def _state(config):
    return fill(EffOcc(config)).state_dict()


def write(path, state, card):
    """A file as save_checkpoint makes it, but unchecked."""
    metadata = {} if card is None else {CARD_KEY: json.dumps(card)}
    save_file(state, path, metadata=metadata)
    return path


def test_a_checkpoint_comes_back_as_it_was_saved(tmp_path, config, state):
    card = make_card(config, trained=True, source="a test", training_data="none", licence="none")
    path = tmp_path / "deep" / "lidar_tiny.safetensors"
    save_checkpoint(path, config, state, card)
    loaded_config, loaded, loaded_card = load_checkpoint(path)
    assert loaded_config == config
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], state[name]) for name in state)
    assert loaded_card == json.loads(json.dumps(card))
    EffOcc(loaded_config).load_state_dict(loaded)


def test_half_keeps_what_float16_cannot_say(tmp_path, config, state):
    variance = next(name for name in state if name.endswith("running_var"))
    large = {**state, variance: torch.full_like(state[variance], 1e6)}
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, config, large, make_card(config, trained=True), half=True)
    assert (load_checkpoint(path)[1][variance] == 1e6).all()
    weight = "occ_head.predicter.0.weight"
    large = {**state, weight: torch.full_like(state[weight], 1e6)}
    with pytest.raises(InputError, match=rf"{weight}: found values up to 1e\+06"):
        save_checkpoint(tmp_path / "b.safetensors", config, large, {}, half=True)
    assert not (tmp_path / "b.safetensors").exists()


def test_the_card_says_what_a_reader_must_know(config):
    card = make_card(config, trained=False, source="here", licence="Apache-2.0")
    assert card["preset"] == "lidar_tiny"
    assert card["classes"][card["free_label"]] == "free"
    assert card["grid"]["shape"] == (200, 200, 16)
    assert card["image"]["channels"] == "BGR"
    assert (card["trained"], card["source"], card["licence"]) == (False, "here", "Apache-2.0")


def change_key(state, old, new):
    return {new if name == old else name: value for name, value in state.items()}


def test_missing_unexpected_and_misshapen_keys_are_named(tmp_path, config, state):
    wrong = change_key(state, "occ_head.predicter.2.bias", "occ_head.predicter.9.bias")
    wrong["pts_middle_encoder.conv_out.0.weight"] = torch.zeros(1, 2)
    path = write(tmp_path / "a.safetensors", wrong, make_card(config, trained=True))
    with pytest.raises(InputError) as error:
        load_checkpoint(path)
    said = str(error.value)
    assert "occ_head.predicter.2.bias missing" in said
    assert "occ_head.predicter.9.bias unexpected" in said
    assert "pts_middle_encoder.conv_out.0.weight (1, 2) instead of (64, 3, 1, 1, 64)" in said
    assert "lidar_tiny" in said
    with pytest.raises(InputError, match=r"predicter\.2\.bias"):
        save_checkpoint(tmp_path / "b.safetensors", config, wrong, {})
    assert not (tmp_path / "b.safetensors").exists()


def test_long_lists_of_keys_are_cut_short(tmp_path, config):
    path = write(
        tmp_path / "a.safetensors", {"x": torch.zeros(1)}, make_card(config, trained=True)
    )
    with pytest.raises(InputError, match=rf"and {len(state_shapes(config)) - 4} more missing"):
        load_checkpoint(path)


def test_a_class_list_of_another_length_is_refused(tmp_path, config, state):
    card = make_card(config, trained=True)
    card["config"] = {**card["config"], "classes": "openoccupancy"}
    path = write(tmp_path / "a.safetensors", state, card)
    with pytest.raises(InputError, match=r"18 classes.*17 classes of the list openoccupancy"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"classes": ["a", "b", "c", "d", "e"]}, r"found 5 classes \(a, b, c, d, e\)"),
        ({"classes": None}, "found no list of classes"),
        ({"free_label": 3}, "found 18 classes.*free label 3;"),
    ],
)
def test_a_card_with_other_classes_than_its_list_is_refused(tmp_path, config, state, change, said):
    card = {**make_card(config, trained=True), **change}
    path = write(tmp_path / "a.safetensors", state, card)
    both = said + r".*expected the 18 classes of the list occ3d_nuscenes .*free label 17"
    with pytest.raises(InputError, match=both):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("card", "said"),
    [(None, "no model card"), ({}, "without a config"), ([], "without a config")],
)
def test_a_file_without_a_card_is_refused(tmp_path, state, card, said):
    with pytest.raises(InputError, match=said):
        load_checkpoint(write(tmp_path / "a.safetensors", state, card))


def test_files_that_are_no_checkpoints_are_refused(tmp_path, config, state):
    with pytest.raises(InputError, match="no such file"):
        load_checkpoint(tmp_path / "absent.safetensors")
    (tmp_path / "epoch.pth").write_bytes(b"x")
    with pytest.raises(InputError, match="checkpoint convert"):
        load_checkpoint(tmp_path / "epoch.pth")
    whole = write(tmp_path / "a.safetensors", state, make_card(config, trained=True))
    for kept in (0, 5, 2000, whole.stat().st_size - 1):
        (tmp_path / "cut.safetensors").write_bytes(whole.read_bytes()[:kept])
        with pytest.raises(InputError, match="no whole safetensors file"):
            load_checkpoint(tmp_path / "cut.safetensors")


def test_the_verb_show_prints_the_card(tmp_path, config, state, capsys):
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, config, state, make_card(config, trained=True, source="a test"))
    assert main(["checkpoint", "show", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["source"] == "a test"


def changed(config, **fields):
    card = make_card(config, trained=True)
    return {**card, "config": {**card["config"], **fields}}


GRID = {"lower": [-40.0, -40.0, -1.0], "voxel_size": [0.4, 0.4, 0.4], "shape": [200, 200, 16]}
BELIEVED = {
    "a million blocks": {"voxel_blocks": 10**6},
    "a million layers": {"trunk_layers": 10**6},
    "a billion channels": {"head_hidden": 10**9},
    "many stages": {"voxel_widths": [16] * 1000},
    "a wide stage": {"voxel_widths": [16, 32, 10**7]},
    "many voxels": {"max_voxels": 10**12},
    "many points": {"max_points_per_voxel": 10**12},
    "many sweeps": {"sweeps": 10**9},
    "a column beyond": {"tanh_columns": [10**9]},
    "many classes": {"class_count": 10**6},
    "a huge grid": {"grid": {**GRID, "shape": [20_000, 20_000, 16]}},
    "a high grid": {"grid": {**GRID, "shape": [200, 200, 10**6], "voxel_size": [0.4, 0.4, 1e-3]}},
    "huge voxels": {"voxels": {**GRID, "shape": [10**6, 10**6, 32]}},
    "a grid of kilometres": {"grid": {**GRID, "voxel_size": [500.0, 500.0, 0.4]}},
    "another grid than the trunk's": {"grid": {**GRID, "shape": [400, 400, 16]}},
    "no heights left": {"voxels": {**GRID, "shape": [400, 400, 3]}},
    "a long name": {"name": "x" * 10**5},
    "endless numbers": {"image_std": [1e400, 1.0, 1.0]},
}
CAMERAS_BELIEVED = {
    "a huge image": {"image_size": [100_000, 100_000]},
    "an odd image": {"image_size": [129, 352]},
    "a huge bev": {"bev": {**GRID, "shape": [30_000, 30_000, 1]}},
    "another bev than the trunk's": {"bev": {**GRID, "shape": [200, 200, 1]}},
    "many cameras": {"cameras": [f"CAM_{number}" for number in range(10**4)]},
    "one camera twice": {"cameras": ["CAM_FRONT", "CAM_FRONT"]},
    "a key camera that is none": {"key_camera": "CAM_UNDER"},
    "many depths": {"depth_range": [1.0, 45.0, 1e-9]},
    "another stride": {"image_downsample": 16},
    "wide images": {"image_width": 10**8},
}


@pytest.mark.parametrize("kind", [*BELIEVED, *CAMERAS_BELIEVED])
def test_a_card_is_not_believed(tmp_path, state, kind):
    preset = "lidar_tiny" if kind in BELIEVED else "fusion_tiny"
    card = changed(load_preset(preset), **{**BELIEVED, **CAMERAS_BELIEVED}[kind])
    path = write(tmp_path / "a.safetensors", state, card)
    started = time.process_time()
    for read in (load_checkpoint, read_card):
        with pytest.raises(InputError, match=r"card of .*a\.safetensors, field"):
            read(path)
    assert time.process_time() - started < 2


def test_nothing_is_made_of_a_card_whose_weights_do_not_fit(tmp_path, config, state, monkeypatch):
    card = changed(config, voxel_blocks=16, trunk_layers=16, head_hidden=4096)
    path = write(tmp_path / "a.safetensors", state, card)
    monkeypatch.setattr("effocc_ros.checkpoints.safe_open", None)  # no weight is read
    with pytest.raises(InputError, match="instead of"):
        load_checkpoint(path)


@pytest.mark.parametrize("said", ["false", 1, None, []])
def test_only_true_and_false_say_whether_a_network_is_trained(tmp_path, config, state, said):
    card = {**make_card(config, trained=True), "trained": said}
    with pytest.raises(InputError, match="a card that says trained"):
        load_checkpoint(write(tmp_path / "a.safetensors", state, card))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path, config, state, value):
    name = "occ_head.predicter.2.bias"
    wrong = {**state, name: torch.full_like(state[name], value)}
    path = write(tmp_path / "a.safetensors", wrong, make_card(config, trained=True))
    for action in (
        lambda: load_checkpoint(path),
        lambda: save_checkpoint(path, config, wrong, make_card(config, trained=True)),
    ):
        with pytest.raises(InputError, match=rf"not finite \({name}\)") as error:
            action()
        assert error.value.reason == "bad_weights"


def test_a_negative_variance_is_refused_by_name(tmp_path, config, state):
    name = next(name for name in state if name.endswith("running_var"))
    wrong = {**state, name: -torch.ones_like(state[name])}
    path = write(tmp_path / "a.safetensors", wrong, make_card(config, trained=True))
    with pytest.raises(InputError, match=rf"negative \({name}\)"):
        load_checkpoint(path)


def sparse_file(path, header, size):
    """A safetensors file of a header and a hole of any size."""
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + size)
    return path


def test_a_hole_of_40_gb_is_refused_before_it_is_read(tmp_path, config):
    size = 40 * 2**30
    entry = {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}
    metadata = {CARD_KEY: json.dumps(make_card(config, trained=True))}
    path = sparse_file(tmp_path / "a.safetensors", {"__metadata__": metadata, "a": entry}, size)
    with pytest.raises(InputError, match=r"1 unexpected|a unexpected"):
        load_checkpoint(path)
    with pytest.raises(InputError, match="bytes of weights"):
        read_official(path)


HEADERS = {
    "a list": [],
    "a tensor without a place": {"a": {"dtype": "F32", "shape": [1]}},
    "a negative place": {"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}},
    "a place beyond": {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},
    "another size": {"a": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4]}},
    "an unknown type": {"a": {"dtype": "F7", "shape": [1], "data_offsets": [0, 4]}},
    "a shape in words": {"a": {"dtype": "F32", "shape": "one", "data_offsets": [0, 4]}},
    "metadata that is no text": {"__metadata__": {CARD_KEY: 7}},
}


@pytest.mark.parametrize("kind", HEADERS)
def test_headers_that_contradict_their_file_are_refused(tmp_path, kind):
    path = sparse_file(tmp_path / "a.safetensors", HEADERS[kind], 4)
    for read in (load_checkpoint, read_official):
        with pytest.raises(InputError, match="no whole safetensors file"):
            read(path)


def test_a_card_without_end_is_refused(tmp_path, state):
    save_file(state, tmp_path / "a.safetensors", metadata={CARD_KEY: 100_000 * "["})
    with pytest.raises(InputError, match="no model card"):
        load_checkpoint(tmp_path / "a.safetensors")
