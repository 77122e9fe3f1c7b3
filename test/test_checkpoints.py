import json

import pytest
import torch
from helpers.deterministic_fill import fill
from safetensors.torch import save_file

from effocc_ros.checkpoints import (
    CARD_KEY,
    load_checkpoint,
    make_card,
    save_checkpoint,
    state_shapes,
)
from effocc_ros.cli import main
from effocc_ros.errors import InputError
from effocc_ros.networks.effocc import EffOcc
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
