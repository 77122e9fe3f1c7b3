# SPDX-License-Identifier: Apache-2.0
"""Features of LiDAR depth images, for inference on a CPU.

Their first layers work at the size of the image, on six times some megabytes of numbers. Their
cost is memory traffic, not arithmetic; one image at a time fits in a cache.
"""

import torch
from torch import Tensor, nn


class DepthImages(nn.Module):
    """Does what a network of depth images does, one image at a time.

    Args:
        network: Layers of which the first is a 1x1 convolution of one channel; its
            normalisations are folded in.
    """

    def __init__(self, network: nn.Sequential):
        super().__init__()
        first, *others = network
        self.network = nn.Sequential(OneChannelConv2d(first), *others)

    def forward(self, depth: Tensor) -> Tensor:
        """(B, 1, H, W) to (B, C, h, w)."""
        return torch.cat([self.network(image) for image in depth.split(1)])


class OneChannelConv2d(nn.Module):
    """Does what a 1x1 convolution of one channel does: a product and a sum for every number.

    oneDNN, which torch uses with several threads, pads the channel to 8 or 16 and back again.

    Args:
        convolution: 1x1, of one input channel, with a bias.
    """

    def __init__(self, convolution: nn.Conv2d):
        super().__init__()
        self.register_buffer("weight", convolution.weight.detach().flatten())
        self.register_buffer("bias", convolution.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, H, W) to (B, C, H, W), channels last."""
        return torch.addcmul(self.bias, x.permute(0, 2, 3, 1), self.weight).permute(0, 3, 1, 2)
