# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from helpers.deterministic_fill import fill
from helpers.small_networks import CONFIGS, frame
from torch import nn

from effocc_ros.networks.effocc import EffOcc
from effocc_ros.networks.half_precision import ENCODERS, encode_in
from effocc_ros.preprocess import preprocess


def network_of(config):
    return fill(EffOcc(config)).requires_grad_(False).fuse_for_inference()


def arithmetic(network, given):
    """Name of each convolution and linear layer -> dtype of what it gives; and the labels."""
    found = {}

    def note(name):
        def hook(layer, arguments, out):
            found.setdefault(name, out.dtype)

        return hook

    for name, layer in network.named_modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            layer.register_forward_hook(note(name))
    with torch.inference_mode():
        labels, _, _ = network.predict_labels(**given.keywords())
    return found, labels


@pytest.mark.parametrize("modality", CONFIGS)
def test_encoders_alone_round_and_hardly_a_voxel_moves(modality):
    config = CONFIGS[modality]
    given = preprocess(frame(), config)
    _, exact = arithmetic(network_of(config), given)
    found, labels = arithmetic(encode_in(network_of(config), torch.bfloat16), given)
    assert found
    for name, dtype in found.items():
        encoder = name.startswith(ENCODERS)
        assert dtype == (torch.bfloat16 if encoder else torch.float32), name
    assert len(exact.unique()) > 1
    assert (labels != exact).float().mean() < 0.01


def test_a_sparse_encoder_rounds_too():
    given = preprocess(frame(), CONFIGS["lidar"])
    exact, half = (
        network_of(CONFIGS["lidar"]),
        encode_in(network_of(CONFIGS["lidar"]), torch.bfloat16),
    )
    with torch.inference_mode():
        one, other = (each.lidar_bev(given.points) for each in (exact, half))
    assert other.dtype == torch.float32
    assert not torch.equal(one, other)
    torch.testing.assert_close(one, other, atol=0.02 * float(one.abs().max()), rtol=0)
