# SPDX-License-Identifier: Apache-2.0
"""Our sparse encoder built of another library's layers, to be timed beside ours."""

from collections.abc import Callable
from types import ModuleType

import torch
from torch import Tensor, nn

from effocc_ros.networks.sparse_encoder import (
    FLATTENING,
    HALVING,
    ConvNormRelu,
    SparseBlock,
    SparseEncoder,
    padding_of,
    to_bev,
)
from effocc_ros.networks.sparse_sites import Sites
from effocc_ros.networks.static_sites import StaticSites


def spconv_encoder(spconv: ModuleType, encoder: SparseEncoder) -> Callable:
    """Build an encoder of a library with spconv 2's interface, with folded normalisations.

    Args:
        spconv: ``spconv.pytorch`` or ``spconv_triton.pytorch``.
        encoder: Whose weights it takes: both store them as (out, z, y, x, in).

    Returns:
        From features and StaticSites to the BEV, as our static encoder without its counts.
    """
    device = encoder.conv_input[0].weight.device

    def layer(ours: nn.Module, kind: str, *arguments, **keywords) -> nn.Module:
        out_channels, *kernel, in_channels = ours.weight.shape
        made = getattr(spconv, kind)(in_channels, out_channels, kernel, *arguments, **keywords)
        made = made.to(device).requires_grad_(False).eval()
        made.weight.copy_(ours.weight)
        made.bias.copy_(ours.bias)
        return made

    def submanifold(ours: nn.Module, stage: int) -> nn.Module:
        return layer(ours, "SubMConv3d", padding=1, indice_key=f"stage{stage}")

    children = list(encoder.encoder_layers.children())
    first, stages = submanifold(encoder.conv_input[0], 0), []
    for number, stage in enumerate(children):
        blocks = [
            [submanifold(block.conv1, number), submanifold(block.conv2, number)]
            for block in stage
            if isinstance(block, SparseBlock)
        ]
        halvings = [
            layer(module[0], "SparseConv3d", HALVING[1], padding_of(number, len(children)))
            for module in stage
            if isinstance(module, ConvNormRelu)
        ]
        stages.append((blocks, halvings))
    last = layer(encoder.conv_out[0], "SparseConv3d", *FLATTENING[1:])

    def relu(x):
        return x.replace_feature(torch.relu(x.features))

    def run(features: Tensor, sites: StaticSites) -> Tensor:
        found = Sites(sites.keys[sites.active], 1, sites.shape)
        place = torch.stack(found.coordinates(), dim=1).int()
        x = spconv.SparseConvTensor(features[sites.active], place, list(sites.shape), 1)
        x = relu(first(x))
        for blocks, halvings in stages:
            for one, two in blocks:
                y = two(relu(one(x)))
                x = relu(y.replace_feature(y.features + x.features))
            for halving in halvings:
                x = relu(halving(x))
        x = relu(last(x))
        sample, *place = x.indices.long().unbind(1)
        shape = tuple(x.spatial_shape)
        keys, order = Sites.empty(1, shape).key(sample, *place).sort()
        return to_bev(x.features[order], Sites(keys, 1, shape))

    return run
