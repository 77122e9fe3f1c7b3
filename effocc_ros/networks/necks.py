# SPDX-License-Identifier: Apache-2.0
"""Necks: several feature maps of one input, brought to one."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class NamedConv(nn.Module):
    """A 2-D convolution with a bias, stored under the name ``conv`` as the official models do.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Size of the kernel; the output has the input's size.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, Cin, H, W) to (B, Cout, H, W)."""
        return self.conv(x)


class FeaturePyramid(nn.Module):
    """Feature pyramid (Lin et al., CVPR 2017) that makes its finest level only.

    Args:
        in_channels: Channels of the inputs, finest first.
        out_channels: Channels of the output.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int):
        super().__init__()
        self.lateral_convs = nn.ModuleList(
            NamedConv(channels, out_channels, kernel=1) for channels in in_channels
        )
        self.fpn_convs = nn.ModuleList([NamedConv(out_channels, out_channels, kernel=3)])

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps (B, Ci, Hi, Wi), finest first, to (B, C, H0, W0)."""
        laterals = [conv(x) for conv, x in zip(self.lateral_convs, features, strict=True)]
        x = laterals.pop()
        while laterals:
            finer = laterals.pop()
            x = finer + functional.interpolate(x, size=finer.shape[2:], mode="nearest")
        return self.fpn_convs[0](x)


def conv_bn_relu(
    in_channels: int, out_channels: int, stride: int = 1, eps: float = 1e-5, momentum: float = 0.1
) -> list[nn.Module]:
    """Return a 3x3 convolution without bias, a normalisation and a ReLU, for nn.Sequential."""
    return [
        nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
        nn.BatchNorm2d(out_channels, eps, momentum),
        nn.ReLU(inplace=True),
    ]


def _bilinear(scale: int) -> nn.Upsample:
    return nn.Upsample(scale_factor=scale, mode="bilinear", align_corners=True)


class ConcatNeck(nn.Module):
    """Enlarge the coarsest map to the finest one, concatenate, convolve twice (BEVDet).

    Args:
        fine_channels: Channels of the first input.
        coarse_channels: Channels of the last input.
        out_channels: Channels of the output.
        scale: How many times finer the first input is than the last.
        upsample: True to double the output's size; the inner convolutions then have twice its
            channels.
    """

    def __init__(
        self,
        fine_channels: int,
        coarse_channels: int,
        out_channels: int,
        scale: int,
        upsample: bool,
    ):
        super().__init__()
        inner = 2 * out_channels if upsample else out_channels
        self.up = _bilinear(scale)
        self.conv = nn.Sequential(
            *conv_bn_relu(fine_channels + coarse_channels, inner), *conv_bn_relu(inner, inner)
        )
        self.up2 = nn.Identity()
        if upsample:
            self.up2 = nn.Sequential(
                _bilinear(2),
                *conv_bn_relu(inner, out_channels),
                nn.Conv2d(out_channels, out_channels, 1),
            )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps (B, Ci, Hi, Wi), finest first, to (B, C, H0, W0), or twice that size."""
        return self.up2(self.conv(torch.cat([features[0], self.up(features[-1])], dim=1)))
