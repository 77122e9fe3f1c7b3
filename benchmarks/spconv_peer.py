# SPDX-License-Identifier: Apache-2.0
"""Our sparse encoder built of another library's layers, to be timed beside ours."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from effocc_ros.networks.sparse_encoder import (
    FLATTENING,
    HALVING,
    ConvNormRelu,
    SparseBlock,
    SparseConv,
    SparseEncoder,
    padding_of,
    to_bev,
)
from effocc_ros.networks.sparse_sites import Sites
from effocc_ros.networks.static_sites import StaticSites

Convolve = Callable[[Any], Any]
"""From one sparse tensor of the other library to the next."""


@dataclass(frozen=True)
class PeerLayers:
    """The convolutions of a sparse encoder, as another library has them.

    Attributes:
        first: The one before the stages.
        stages: Per stage the pairs of its blocks, and what halves the sites, if it does.
        last: The one that flattens.
    """

    first: Convolve
    stages: list[tuple[list[list[Convolve]], list[Convolve]]]
    last: Convolve

    def __call__(self, x: Any) -> Any:
        """Encode a sparse tensor."""
        x = _relu(self.first(x))
        for blocks, halvings in self.stages:
            for one, two in blocks:
                y = two(_relu(one(x)))
                x = _relu(y.replace_feature(y.features + x.features))
            for halving in halvings:
                x = _relu(halving(x))
        return _relu(self.last(x))


def _relu(x: Any) -> Any:
    return x.replace_feature(x.features.relu_())


def peer_layers(encoder: SparseEncoder, layer: Callable[..., Convolve]) -> PeerLayers:
    """Build the layers of an encoder whose normalisations are folded in.

    Args:
        encoder: Ours.
        layer: From a convolution of ours, the name of the other library's class, and that class's
            arguments after the kernel, to what convolves with the same weights.
    """

    def submanifold(ours: SparseConv, stage: int) -> Convolve:
        return layer(ours, "SubMConv3d", padding=1, indice_key=f"stage{stage}")

    children, stages = list(encoder.encoder_layers.children()), []
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
    return PeerLayers(submanifold(encoder.conv_input[0], 0), stages, last)


def spconv_encoder(spconv: ModuleType, encoder: SparseEncoder) -> Callable:
    """Build an encoder of a library with spconv 2's interface, for a GPU.

    Args:
        spconv: ``spconv.pytorch`` or ``spconv_triton.pytorch``.
        encoder: Whose weights it takes: both store them as (out, z, y, x, in).

    Returns:
        From features and StaticSites to the BEV, as our static encoder without its counts.
    """
    device = encoder.conv_input[0].weight.device

    def layer(ours: SparseConv, kind: str, *arguments, **keywords) -> nn.Module:
        out_channels, *kernel, in_channels = ours.weight.shape
        made = getattr(spconv, kind)(in_channels, out_channels, kernel, *arguments, **keywords)
        made = made.to(device).requires_grad_(False).eval()
        made.weight.copy_(ours.weight)
        made.bias.copy_(ours.bias)
        return made

    layers = peer_layers(encoder, layer)

    def run(features: Tensor, sites: StaticSites) -> Tensor:
        found = Sites(sites.keys[sites.active], 1, sites.shape)
        place = torch.stack(found.coordinates(), dim=1).int()
        x = layers(spconv.SparseConvTensor(features[sites.active], place, list(sites.shape), 1))
        sample, *place = x.indices.long().unbind(1)
        shape = tuple(x.spatial_shape)
        keys, order = Sites.empty(1, shape).key(sample, *place).sort()
        return to_bev(x.features[order], Sites(keys, 1, shape))

    return run
