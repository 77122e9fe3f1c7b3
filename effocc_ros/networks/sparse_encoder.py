# SPDX-License-Identifier: Apache-2.0
"""Sparse 3-D encoder: occupied voxels to a LiDAR BEV."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from effocc_ros.networks.rulebook import Rulebook
from effocc_ros.networks.sparse_sites import Sites, Triple
from effocc_ros.networks.threads import jobs, one_thread_each

EPS, MOMENTUM = 1e-3, 0.01
HALVING = ((3, 3, 3), (2, 2, 2))
"""Kernel and stride between stages."""
FLATTENING = ((3, 1, 1), (2, 1, 1), (0, 0, 0))
"""Kernel, stride and padding of the last convolution."""


class SparseConv(nn.Module):
    """A sparse 3-D convolution; the rulebook says of what kind.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Kernel size along (z, y, x).

    Attributes:
        weight: (out, kz, ky, kx, in), the layout of spconv 2.
        bias: None until a normalisation is folded in.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: Triple = (3, 3, 3)):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, *kernel, in_channels))
        self.register_parameter("bias", None)
        fan_in = in_channels * kernel[0] * kernel[1] * kernel[2]
        nn.init.uniform_(self.weight, -(fan_in**-0.5), fan_in**-0.5)

    def forward(
        self,
        features: Tensor,
        rulebook: Rulebook,
        shortcut: Tensor | None = None,
        relu: bool = False,
    ) -> Tensor:
        """(inputs, Cin) to (outputs, Cout), with what follows as :meth:`Rulebook.apply` says."""
        return rulebook.apply(features, self.weight, self.bias, shortcut, relu)


class SiteNorm(nn.BatchNorm1d):
    """Batch normalisation over sites; one site alone has no variance and takes the averages.

    Args:
        channels: Channels of input and output.
    """

    def __init__(self, channels: int):
        super().__init__(channels, EPS, MOMENTUM)

    def forward(self, features: Tensor) -> Tensor:
        """(M, C) to (M, C)."""
        if self.training and len(features) == 1:
            averages = self.running_mean, self.running_var
            return functional.batch_norm(features, *averages, self.weight, self.bias, eps=self.eps)
        return super().forward(features)


class SparseBlock(nn.Module):
    """Two submanifold convolutions around a shortcut.

    Args:
        channels: Channels of input and output.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = SparseConv(channels, channels)
        self.bn1 = SiteNorm(channels)
        self.conv2 = SparseConv(channels, channels)
        self.bn2 = SiteNorm(channels)

    def forward(self, features: Tensor, rulebook: Rulebook) -> Tensor:
        """(M, C) to (M, C)."""
        if isinstance(self.bn1, nn.Identity):
            x = self.conv1(features, rulebook, relu=True)
            return self.conv2(x, rulebook, shortcut=features, relu=True)
        x = self.bn1(self.conv1(features, rulebook)).relu_()
        x = self.bn2(self.conv2(x, rulebook))
        return x.add_(features).relu_()


class ConvNormRelu(nn.Sequential):
    """A sparse convolution, a normalisation and a ReLU, named 0, 1, 2.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Kernel size along (z, y, x).
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: Triple = (3, 3, 3)):
        super().__init__(
            SparseConv(in_channels, out_channels, kernel), SiteNorm(out_channels), nn.ReLU(True)
        )

    def forward(self, features: Tensor, rulebook: Rulebook) -> Tensor:
        """(inputs, Cin) to (outputs, Cout)."""
        if isinstance(self[1], nn.Identity):
            return self[0](features, rulebook, relu=True)
        return self[2](self[1](self[0](features, rulebook)))


class SparseEncoder(nn.Module):
    """Stages of residual blocks; between stages the sites halve in every direction.

    Args:
        in_channels: Features per voxel.
        widths: Channels of the stages.
        blocks: Residual blocks per stage.
    """

    def __init__(self, in_channels: int, widths: Sequence[int], blocks: int):
        super().__init__()
        self.conv_input = ConvNormRelu(in_channels, widths[0])
        self.encoder_layers = nn.Module()
        for stage, width in enumerate(widths):
            modules: list[nn.Module] = [SparseBlock(width) for _ in range(blocks)]
            if stage + 1 < len(widths):
                modules.append(ConvNormRelu(width, widths[stage + 1]))
            self.encoder_layers.add_module(f"encoder_layer{stage + 1}", nn.ModuleList(modules))
        self.conv_out = ConvNormRelu(widths[-1], widths[-1], (3, 1, 1))

    def forward(self, features: Tensor, sites: Sites) -> Tensor:
        """Encode voxels.

        Args:
            features: (M, F) float32 of the active sites.
            sites: Where they are.

        Returns:
            (B, C * Dz, Dy, Dx): heights stand side by side in the channels, height fastest.
        """
        # On a GPU the number of CPU threads makes no difference.
        with one_thread_each():
            return self._encode(features, sites)

    def _encode(self, features: Tensor, sites: Sites) -> Tensor:
        stages = list(self.encoder_layers.children())
        levels, steps = _rulebooks(sites, len(stages), features)
        x = self.conv_input(features, levels[0].submanifold)
        for stage, here, step in zip(stages, levels[:-1], steps, strict=True):
            last = step is steps[-1]
            for block in stage if last else stage[:-1]:
                x = block(x, here.submanifold)
            x = (self.conv_out if last else stage[-1])(x, step)
        return to_bev(x, levels[-1])


def padding_of(number: int, stages: int) -> Triple:
    """Return the padding behind a stage: the last halving leaves lowest and highest layer out."""
    return (0, 1, 1) if number + 2 == stages else (1, 1, 1)


def _rulebooks(sites: Sites, stages: int, features: Tensor) -> tuple[list[Sites], list[Rulebook]]:
    """Return the sites of all stages and of the output, and the convolution behind each stage.

    Args:
        sites: Those of the first stage.
        stages: How many there are.
        features: (M, F), on whose device and with whose dtype the convolutions will be.
    """
    on_cpu = features.device.type == "cpu"
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else features.dtype
    levels, steps = [sites], []
    with jobs() as give:
        for number in range(stages):
            last = number + 1 == stages
            geometry = FLATTENING if last else (*HALVING, padding_of(number, stages))
            here = levels[-1]
            if on_cpu:  # Tables are made while the next sites are looked for.
                give(lambda here=here: here.submanifold.in_blocks(dtype))
            following, step = here.strided(*geometry)
            if on_cpu:
                give(lambda step=step: step.in_blocks(dtype))
            levels.append(following)
            steps.append(step)
    return levels, steps


def to_bev(features: Tensor, sites: Sites) -> Tensor:
    """Write site features (M, C) into a BEV (B, C * Dz, Dy, Dx), zero where no site is active."""
    depth, height, width = sites.shape
    sample, z, y, x = sites.coordinates()
    bev = features.new_zeros(sites.batch, height, width, features.shape[1], depth)
    bev[sample, y, x, :, z] = features
    return bev.flatten(3).permute(0, 3, 1, 2)
