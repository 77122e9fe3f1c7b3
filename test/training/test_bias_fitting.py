# SPDX-License-Identifier: Apache-2.0
"""`effocc fit-bias` on a small data set."""

import pytest
import torch
from helpers.training_tree import VERSION, make_training_tree, very_small

from effocc_ros import cli
from effocc_ros.checkpoints import load_checkpoint, make_card, save_checkpoint
from effocc_ros.networks.effocc import EffOcc

BIAS = "occ_head.predicter.2.bias"
CAR, FREE = 4, 17


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_training_tree(tmp_path_factory.mktemp("bias") / "data", scenes=2, samples=2)


def write_model(path, trained=True, half=False):
    """A network that says of every voxel: free, and if not, a car by a hair."""
    config = very_small("vision")
    network = EffOcc(config)
    state = network.state_dict()
    state["occ_head.predicter.2.weight"] *= 0.0
    bias = torch.full((16, 18), -3.0)
    bias[:, FREE], bias[:, CAR] = 0.0, -0.3
    state[BIAS] = bias.flatten()
    card = make_card(config, trained=trained, source="a test", notes="Not for driving")
    save_checkpoint(path, config, state, card, half=half)
    return path


def run(root, model, out, *options):
    paths = ["--model", str(model), "--out", str(out)]
    data = [str(root), "--version", VERSION, "--device", "cpu"]
    return cli.main(["fit-bias", *data, *paths, *options])


@pytest.mark.parametrize("half", [False, True])
def test_the_checkpoint_differs_in_a_bias_for_each_class_and_its_card(
    root, tmp_path, capsys, half
):
    model, out = (
        write_model(tmp_path / "model.safetensors", half=half),
        tmp_path / "new.safetensors",
    )
    assert run(root, model, out) == 0
    _, before, _ = load_checkpoint(model)
    _, after, card = load_checkpoint(out)
    assert {name for name in before if not torch.equal(before[name], after[name])} == {BIAS}
    change = (after[BIAS] - before[BIAS]).view(16, 18)
    # Saying "car" everywhere is worth more than saying it nowhere.
    torch.testing.assert_close(change[:, CAR], torch.full((16,), 0.4))
    assert torch.equal(change, change[:1].expand(16, 18))
    assert change[0, FREE] == 0.0
    assert card["notes"].startswith(
        "Not for driving. Class biases fitted since, to 2 samples of occ3d_nuscenes, split train: "
        "mIoU 0.00 there without them, "
    )
    assert abs(out.stat().st_size - model.stat().st_size) < 1000
    assert "car                   +0.40" in capsys.readouterr().out


def test_samples_can_be_limited(root, tmp_path):
    model, out = write_model(tmp_path / "model.safetensors"), tmp_path / "new.safetensors"
    assert run(root, model, out, "--split", "val", "--limit", "1") == 0
    assert "to 1 samples of occ3d_nuscenes, split val: " in load_checkpoint(out)[2]["notes"]


def test_what_cannot_be_used_is_named_and_nothing_is_written(root, tmp_path, capsys):
    model = write_model(tmp_path / "model.safetensors")
    untrained = write_model(tmp_path / "untrained.safetensors", trained=False)
    out = tmp_path / "new.safetensors"
    for path, options, said in (
        (untrained, (), "random weights"),
        (tmp_path / "none.safetensors", (), "none.safetensors"),
        (model, ("--split", "night"), "night"),
        (model, ("--limit", "0"), "--limit"),
        (model, ("--dataset", "occ3d_waymo"), "classes"),
    ):
        assert run(root, path, out, *options) == 2
        assert said in capsys.readouterr().err
        assert not out.exists()
