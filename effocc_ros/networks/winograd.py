# SPDX-License-Identifier: Apache-2.0
"""3x3 convolutions with fewer multiplications on a CPU: Winograd's F(4x4, 3x3).

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016. A tile of 6x6
inputs gives 4x4 outputs with 36 products a channel pair where the sum itself takes 144. In
between, tiles are mapped by small matrices whose entries follow from the points 0, 1, -1, 2, -2
and infinity; in float32 results differ from the plain sum by some 1e-5 of their size.

Where oneDNN convolves with AVX-512 its plain sum is as fast (benchmarks/winograd.py).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDE = 128
"""Channels from which on a convolution gets faster: mapping the tiles has its price."""
STEP = 4
"""Outputs along each side of a tile."""
SIDE = STEP + 2
"""Inputs along each side of a tile."""
BLOCK = 1 << 21
"""Numbers in the largest buffer of a block of tiles, so that it stays in a cache."""

_INPUT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_OUTPUT = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)


class WinogradConv2d(nn.Module):
    """Does what a convolution does, for inference on a CPU.

    Args:
        convolution: 3x3, of stride, dilation and groups 1, padded by one zero.
    """

    def __init__(self, convolution: nn.Conv2d):
        super().__init__()
        weight = convolution.weight.detach().double()
        kernel = torch.tensor(_KERNEL, dtype=torch.float64)
        mapped = torch.einsum("ia,ocab,jb->ijco", kernel, weight, kernel)
        self.register_buffer("kernel", mapped.flatten(0, 1).float().contiguous())
        self.register_buffer("inward", torch.tensor(_INPUT, dtype=torch.float32))
        self.register_buffer("outward", torch.tensor(_OUTPUT, dtype=torch.float32))
        self.bias = convolution.bias

    def forward(self, x: Tensor) -> Tensor:
        """(B, Cin, H, W) to (B, Cout, H, W), channels last."""
        batch, channels, height, width = x.shape
        rows, columns = -(-height // STEP), -(-width // STEP)
        below, right = STEP * rows - height, STEP * columns - width
        padded = functional.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1 + right, 1, 1 + below))
        # (B, rows, columns, C, 6, 6), tiles that overlap by two.
        tiles = padded.unfold(1, SIDE, STEP).unfold(2, SIDE, STEP)
        tiles = tiles.permute(4, 5, 0, 1, 2, 3)
        out_channels = self.kernel.shape[2]
        out = x.new_empty(batch, rows, STEP, columns, STEP, out_channels)
        widest = SIDE * SIDE * columns * max(channels, out_channels)
        lines = max(BLOCK // widest, 1)
        # Of small maps several make a block: the kernel is larger than they are.
        maps, lines = min(max(lines // rows, 1), batch), min(lines, rows)
        # New memory is slow: two buffers take turns.
        buffers = x.new_empty(maps * lines * widest), x.new_empty(maps * lines * widest)
        for image in range(0, batch, maps):
            for first in range(0, rows, lines):
                block = slice(image, image + maps), slice(first, first + lines)
                result = self._tiles(tiles[(slice(None), slice(None), *block)], *buffers).permute(
                    2, 3, 0, 4, 1, 5
                )
                if self.bias is None:
                    out[block].copy_(result)
                else:
                    torch.add(result, self.bias, out=out[block])
        out = out.view(batch, STEP * rows, STEP * columns, out_channels)
        return out[:, :height, :width].contiguous().permute(0, 3, 1, 2)

    def _tiles(self, tiles: Tensor, this: Tensor, that: Tensor) -> Tensor:
        """(6, 6, B, rows, columns, Cin) to (4, 4, B, rows, columns, Cout), in a buffer."""
        places = tiles.shape[2:5]
        count, (channels, out_channels) = places.numel(), self.kernel.shape[1:]
        x = _room(this, *tiles.shape).copy_(tiles)
        x = torch.mm(self.inward, x.view(SIDE, -1), out=_room(that, SIDE, x.numel() // SIDE))
        x = _each(self.inward, x.view(SIDE, SIDE, -1), this)
        products = _room(that, SIDE * SIDE, count, out_channels)
        x = torch.bmm(x.view(SIDE * SIDE, count, channels), self.kernel, out=products)
        x = x.view(SIDE, -1)
        x = torch.mm(self.outward, x, out=_room(this, STEP, x.shape[1]))
        x = _each(self.outward, x.view(STEP, SIDE, -1), that)
        return x.view(STEP, STEP, *places, out_channels)


def _room(buffer: Tensor, *shape: int) -> Tensor:
    """Return the beginning of a buffer in a shape."""
    return buffer[: math.prod(shape)].view(shape)


def _each(matrix: Tensor, x: Tensor, buffer: Tensor) -> Tensor:
    """Multiply each of (N, k, M) by a matrix (l, k); returns (N, l, M) in a buffer."""
    matrices = matrix.expand(len(x), *matrix.shape)
    return torch.bmm(matrices, x, out=_room(buffer, len(x), len(matrix), x.shape[2]))


def pays() -> bool:
    """Whether this machine's CPU is of the kind on which it was measured to be faster."""
    return torch.backends.cpu.get_cpu_capability() == "AVX2"


def use_winograd(module: nn.Module) -> nn.Module:
    """Replace every convolution that gets faster by it, in place; for inference on a CPU.

    Returns:
        The same module.
    """
    for name, child in list(module.named_children()):
        if _is_faster(child):
            setattr(module, name, WinogradConv2d(child))
        else:
            use_winograd(child)
    return module


def _is_faster(module: nn.Module) -> bool:
    return (
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (3, 3)
        and module.stride == module.dilation == module.padding == (1, 1)
        and module.groups == 1
        and module.padding_mode == "zeros"
        and min(module.in_channels, module.out_channels) >= WIDE
    )
