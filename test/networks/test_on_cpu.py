# SPDX-License-Identifier: Apache-2.0
"""The layers that are faster on a CPU give what the others give."""

import pytest
import torch
from helpers.deterministic_fill import fill
from helpers.small_networks import CONFIGS, frame
from torch import nn

from effocc_ros.networks.depth_images import DepthImages, OneChannelConv2d
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.networks.on_cpu import use_cpu_layers
from effocc_ros.preprocess import preprocess


def test_of_one_channel_a_1x1_convolution_is_a_product_and_a_sum():
    convolution = nn.Conv2d(1, 2, 1)
    convolution.weight.data = torch.tensor([2.0, -3.0]).view(2, 1, 1, 1)
    convolution.bias.data = torch.tensor([0.5, 0.25])
    found = OneChannelConv2d(convolution)(torch.tensor([[[[1.0, 10.0]]]]))
    assert found.tolist() == [[[[2.5, 20.5]], [[-2.75, -29.75]]]]
    assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("count", [1, 6])
def test_depth_images_one_by_one_give_what_all_at_once_give(count):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 1), nn.ReLU(True), nn.Conv2d(4, 8, 5, 4, 2), nn.ReLU(True)
    ).requires_grad_(False)
    depth = torch.rand(count, 1, 32, 48) * 60 * (torch.rand(count, 1, 32, 48) < 0.1)
    torch.testing.assert_close(DepthImages(network)(depth), network(depth))


@pytest.mark.parametrize("modality", CONFIGS)
def test_a_network_of_any_modality_gives_the_same_voxels(modality):
    config = CONFIGS[modality]
    network = fill(EffOcc(config)).requires_grad_(False).fuse_for_inference()
    given = preprocess(frame(), config).keywords()
    with torch.inference_mode():
        expected, _ = network.predict_labels(**given)[:2]
        found, _ = use_cpu_layers(network).predict_labels(**given)[:2]
    view = getattr(network, "img_view_transformer", None)
    assert (modality == "fusion") == isinstance(getattr(view, "lidar_input_net", 0), DepthImages)
    assert len(expected.unique()) > 1
    assert (found == expected).float().mean() > 0.999
