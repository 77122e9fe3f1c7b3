# SPDX-License-Identifier: Apache-2.0
"""The fused BEV half: merge, SECOND backbone, SECOND neck."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from effocc_ros.networks.necks import conv_bn_relu

EPS, MOMENTUM = 1e-3, 0.01
"""Batch normalisation of everything that grew out of the LiDAR branch."""


class BevFuser(nn.Module):
    """Concatenate BEVs of the same size and merge them by one 3x3 convolution.

    Args:
        in_channels: Channels of all BEVs together.
        out_channels: Channels of the merged BEV.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.occ_enc = nn.Sequential(*conv_bn_relu(in_channels, out_channels))

    def forward(self, bevs: Sequence[Tensor]) -> Tensor:
        """Maps (B, Ci, Ht, Wt), the camera's before the LiDAR's, to (B, C, Ht, Wt)."""
        return self.occ_enc(torch.cat(list(bevs), dim=1))


class Second(nn.Module):
    """2-D backbone of SECOND (Yan et al., Sensors 2018): two levels, the second at half size.

    Args:
        in_channels: Channels of the BEV.
        widths: Channels of each level.
        layers: Convolutions per level.
    """

    def __init__(self, in_channels: int, widths: Sequence[int], layers: int):
        super().__init__()
        blocks = []
        for level, width in enumerate(widths):
            first = conv_bn_relu(in_channels, width, 1 if level == 0 else 2, EPS, MOMENTUM)
            rest = [conv_bn_relu(width, width, 1, EPS, MOMENTUM) for _ in range(layers - 1)]
            blocks.append(nn.Sequential(*first, *(module for group in rest for module in group)))
            in_channels = width
        self.blocks = nn.ModuleList(blocks)

    def forward(self, bev: Tensor) -> list[Tensor]:
        """(B, C, Dy, Dx) to one map per level."""
        features = []
        for block in self.blocks:
            bev = block(bev)
            features.append(bev)
        return features


class SecondNeck(nn.Module):
    """Bring the two levels of SECOND to the size of the first and concatenate them.

    Args:
        in_channels: Channels of each level.
        out_channels: Channels that each level gets; the output has twice as many.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int):
        super().__init__()
        fine, coarse = in_channels
        convolutions = (
            nn.Conv2d(fine, out_channels, 1, bias=False),
            nn.ConvTranspose2d(coarse, out_channels, 2, 2, bias=False),
        )
        self.deblocks = nn.ModuleList(
            nn.Sequential(conv, nn.BatchNorm2d(out_channels, EPS, MOMENTUM), nn.ReLU(inplace=True))
            for conv in convolutions
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps (B, Ci, Dy / 2**i, Dx / 2**i) to (B, 2 * C, Dy, Dx)."""
        enlarged = [block(x) for block, x in zip(self.deblocks, features, strict=True)]
        return torch.cat(enlarged, dim=1)


class Upsample(nn.Sequential):
    """Double the size of a BEV by a transposed 2x2 convolution, as SECOND's neck does.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(
            nn.ConvTranspose2d(in_channels, out_channels, 2, 2, bias=False),
            nn.BatchNorm2d(out_channels, EPS, MOMENTUM),
            nn.ReLU(inplace=True),
        )
