# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from helpers.deterministic_fill import fill
from safetensors.torch import save_file

from effocc_ros.errors import InputError
from effocc_ros.networks.resnet import ResNet
from effocc_ros.training.image_weights import load_image_weights


def backbone():
    return ResNet("resnet18", (2, 3), width=4)


@pytest.fixture(name="weights")
def _weights():
    return {name: value.clone() for name, value in fill(backbone()).state_dict().items()}


def same(module, weights):
    state = module.state_dict()
    return all(torch.equal(state[name], value) for name, value in weights.items())


def test_torchvision_s_file_is_taken_without_its_classifier(tmp_path, weights):
    classifier = {"fc.weight": torch.ones(10, 32), "fc.bias": torch.ones(10)}
    save_file(weights | classifier, tmp_path / "resnet.safetensors")
    torch.save({"state_dict": weights | classifier}, tmp_path / "resnet.pth")
    for name in ("resnet.safetensors", "resnet.pth"):
        module = backbone()
        load_image_weights(module, tmp_path / name)
        assert same(module, weights)


def test_of_a_network_s_checkpoint_the_image_backbone_is_taken(tmp_path, weights):
    network = {f"img_backbone.{name}": value for name, value in weights.items()}
    # A head of ours is no classifier of torchvision's: nothing but the backbone counts.
    save_file(network | {"occ_head.weight": torch.ones(3)}, tmp_path / "network.safetensors")
    module = backbone()
    load_image_weights(module, tmp_path / "network.safetensors")
    assert same(module, weights)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"conv1.weight": None}, "conv1.weight missing"),
        ({"layer9.weight": torch.ones(1)}, "layer9.weight unexpected or of another shape"),
        ({"conv1.weight": torch.ones(2, 3, 7, 7)}, "conv1.weight unexpected or of another shape"),
    ],
)
def test_weights_of_another_backbone_are_refused(tmp_path, weights, changes, said):
    given = {name: value for name, value in (weights | changes).items() if value is not None}
    save_file(given, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=said):
        load_image_weights(backbone(), tmp_path / "other.safetensors")


@pytest.mark.parametrize("name", ["none.safetensors", "none.pth", "text.safetensors", "text.pth"])
def test_what_is_no_file_of_tensors_is_refused(tmp_path, name):
    for kind in ("safetensors", "pth"):
        (tmp_path / f"text.{kind}").write_text("no tensors")
    with pytest.raises(InputError, match=r"expected a \.safetensors or \.pth file"):
        load_image_weights(backbone(), tmp_path / name)
