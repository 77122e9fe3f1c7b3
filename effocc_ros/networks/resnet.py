# SPDX-License-Identifier: Apache-2.0
"""ResNet (He et al., CVPR 2016), as image backbone and as camera BEV backbone."""

from collections.abc import Sequence

from torch import Tensor, nn

DEPTHS = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3)}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut.

    Args:
        in_channels: Channels of the input.
        width: Channels of the output.
        stride: Stride of the first convolution.
        downsample: What brings the shortcut to the output's shape; None where it has it.
    """

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int, downsample: nn.Module | None):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, width, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        # In place: new memory is slow.
        return self.relu(self.bn2(self.conv2(x)).add_(shortcut))


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride) and 1x1 convolutions around a shortcut.

    Args:
        in_channels: Channels of the input.
        width: Channels of the middle; the output has four times as many.
        stride: Stride of the 3x3 convolution.
        downsample: What brings the shortcut to the output's shape; None where it has it.
    """

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int, downsample: nn.Module | None):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 4 * width, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)).add_(shortcut))


class ResNet(nn.Module):
    """Image backbone with torchvision's parameter names and no classifier.

    Args:
        name: ``resnet18`` or ``resnet50``.
        out_stages: Stages (0 to 3) whose features are returned.
        width: Channels of the first stage before expansion.

    Attributes:
        channels: Channels of each returned feature map.
    """

    def __init__(self, name: str, out_stages: Sequence[int], width: int = 64):
        super().__init__()
        block = BasicBlock if name == "resnet18" else Bottleneck
        self.out_stages = tuple(out_stages)
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        in_channels, channels = width, []
        for stage, depth in enumerate(DEPTHS[name]):
            stage_width = width << stage
            layer = _stage(block, in_channels, stage_width, depth, stride=1 if stage == 0 else 2)
            self.add_module(f"layer{stage + 1}", layer)
            in_channels = stage_width * block.expansion
            channels.append(in_channels)
        self.channels = tuple(channels[stage] for stage in self.out_stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) to feature maps (B, C, H / 4 / 2**stage, W / 4 / 2**stage)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        features = []
        for stage in range(4):
            x = self.get_submodule(f"layer{stage + 1}")(x)
            if stage in self.out_stages:
                features.append(x)
        return features


def _stage(block: type, in_channels: int, width: int, depth: int, stride: int) -> nn.Sequential:
    out_channels = width * block.expansion
    downsample = None
    if stride != 1 or in_channels != out_channels:
        downsample = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
            nn.BatchNorm2d(out_channels),
        )
    blocks = [block(in_channels, width, stride, downsample)]
    blocks += [block(out_channels, width, 1, None) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)


class BevResNet(nn.Module):
    """Camera BEV backbone of FlashOcc: three levels of two basic blocks, each halving the BEV.

    The first shortcut of a level is one 3x3 convolution with a bias and no normalisation.

    Args:
        in_channels: Channels of the BEV.
        widths: Channels of each level.
    """

    def __init__(self, in_channels: int, widths: Sequence[int]):
        super().__init__()
        layers = []
        for width in widths:
            downsample = nn.Conv2d(in_channels, width, 3, 2, 1)
            first = BasicBlock(in_channels, width, 2, downsample)
            layers.append(nn.Sequential(first, BasicBlock(width, width, 1, None)))
            in_channels = width
        self.layers = nn.Sequential(*layers)

    def forward(self, bev: Tensor) -> list[Tensor]:
        """(B, C, Dy, Dx) to one feature map per level, at 1/2, 1/4, 1/8 of the size."""
        features = []
        for layer in self.layers:
            bev = layer(bev)
            features.append(bev)
        return features
