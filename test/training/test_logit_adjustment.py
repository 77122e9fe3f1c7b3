# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from helpers.tiny_model import tiny_config

from effocc_ros.networks.effocc import EffOcc
from effocc_ros.training.logit_adjustment import adjusted


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_every_voxel_loses_a_share_of_the_weights_logarithms_and_only_in_the_block(share):
    network = EffOcc(tiny_config("lidar")).eval()
    weights = torch.linspace(0.5, 4.0, 18)
    features = torch.rand(1, 32, 3, 2)
    with torch.inference_mode():
        before, _ = network.occ_head(features)
        with adjusted(network, weights, share) as changed:
            during, _ = changed.occ_head(features)
        after, _ = network.occ_head(features)
    torch.testing.assert_close(before - during, (share * weights.log()).expand_as(before))
    assert torch.equal(after, before)


def test_without_class_weights_nothing_is_taken_back():
    network = EffOcc(tiny_config("lidar"))
    bias = network.occ_head.predicter[-1].bias.detach().clone()
    with adjusted(network, None, 1.0):
        assert torch.equal(network.occ_head.predicter[-1].bias, bias)


def test_the_bias_comes_back_after_an_error():
    network = EffOcc(tiny_config("lidar"))
    bias = network.occ_head.predicter[-1].bias.detach().clone()
    with pytest.raises(ZeroDivisionError), adjusted(network, torch.full((18,), 2.0), 1.0):
        raise ZeroDivisionError
    assert torch.equal(network.occ_head.predicter[-1].bias, bias)
