# SPDX-License-Identifier: Apache-2.0
import pytest
from torch import nn

from effocc_ros.errors import InputError
from effocc_ros.training.frozen import keep_frozen_statistics, let_learn


def small_network():
    """Two blocks whose names begin alike, and a head."""
    return nn.ModuleDict(
        {
            "neck": nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)),
            "neck2": nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)),
            "head": nn.Linear(4, 2),
        }
    )


def learning(network):
    return {name for name, parameter in network.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize(
    ("parts", "left"),
    [
        (["head"], {"head.weight", "head.bias"}),
        (["neck"], {"neck.0.weight", "neck.0.bias", "neck.1.weight", "neck.1.bias"}),
        (["neck2.1", "head.bias"], {"neck2.1.weight", "neck2.1.bias", "head.bias"}),
    ],
)
def test_only_the_named_parts_learn(parts, left):
    network = small_network()
    let_learn(network, parts)
    assert learning(network) == left


def test_all_parts_learn_where_none_is_named():
    network = small_network().requires_grad_(False)
    let_learn(network, [])
    assert len(learning(network)) == 10


@pytest.mark.parametrize("part", ["nec", "head.scale", "", "neck.0.weight.x"])
def test_a_part_that_is_not_there_is_named_beside_those_that_are(part):
    with pytest.raises(InputError, match="head, neck, neck2"):
        let_learn(small_network(), ["head", part])


def test_statistics_of_frozen_parts_stay_as_they_are():
    network = small_network()
    let_learn(network, ["neck2"])
    keep_frozen_statistics(network.train())
    assert not network["neck"][1].training
    assert network["neck2"][1].training
    keep_frozen_statistics(network.train(), all_norms=True)
    assert not network["neck2"][1].training
