# SPDX-License-Identifier: Apache-2.0
"""3x3 convolutions with fewer multiplications on a CPU: Winograd's F(4x4, 3x3).

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016. A tile of 6x6
inputs gives 4x4 outputs with 36 products a channel pair where the sum itself takes 144. In
between, tiles are mapped by small matrices whose entries follow from the points 0, 1, -1, 2, -2
and infinity; in float32 results differ from the plain sum by some 1e-5 of their size.

With channels last either map is a sparse matrix times rows of channels, which ``embedding_bag``
multiplies at the speed of the cache: it takes tiles apart, leaves borders out and puts pixels
together on the way. benchmarks/winograd.py compares it with oneDNN's convolutions.
"""

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from effocc_ros.networks.half_precision import HalfPrecision

WIDE = 64
"""Channels from which on a convolution gets faster: mapping the tiles has its price."""
STEP = 4
"""Outputs along each side of a tile."""
SIDE = STEP + 2
"""Inputs along each side of a tile."""
BLOCK = 1 << 22
"""Numbers in the largest buffer of a block of tiles, so that it stays in a cache."""
TILES = 256
"""Tiles in a block: enough to be worth 36 matrix products."""
ROW = 448
"""Numbers that are mapped at a time where whole rows of a map are."""

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
        self.bias = convolution.bias

    def forward(self, x: Tensor) -> Tensor:
        """(B, Cin, H, W) to (B, Cout, H, W), channels last."""
        batch, channels, height, width = x.shape
        pixels = x.permute(0, 2, 3, 1).contiguous().view(-1, channels)
        out_channels = self.kernel.shape[2]
        out = pixels.new_empty(len(pixels), out_channels)
        rows, columns = -(-height // STEP), -(-width // STEP)
        tiles = min(TILES, BLOCK // (SIDE * SIDE * max(channels, out_channels)))
        lines = max(tiles // columns, 1)
        # Of small maps several make a block: the kernel is larger than they are.
        maps, lines = min(max(lines // rows, 1), batch), min(lines, rows)
        buffer = x.new_empty(SIDE * SIDE * maps * lines * columns * out_channels)
        for image in range(0, batch, maps):
            number = min(maps, batch - image)
            for first in range(0, rows, lines):
                count = min(lines, rows - first)
                top, bottom = STEP * first, min(STEP * (first + count), height)
                above, below = max(top - 1, 0), min(STEP * (first + count) + 1, height)
                seen = pixels[_rows(image, number, height, width, above, below)]
                shape = number, below - above, width, top - above, count
                products = self._products(_inward(seen, shape), buffer)
                block = _bags(products, _outward(number, bottom - top, width, count))
                target = out[_rows(image, number, height, width, top, bottom)]
                if self.bias is None:
                    target.copy_(block)
                else:
                    torch.add(block, self.bias, out=target)
        return out.view(batch, height, width, out_channels).permute(0, 3, 1, 2)

    def _products(self, tiles: Tensor, buffer: Tensor) -> Tensor:
        """(36 * tiles, Cin) to (36 * tiles, Cout), in a buffer."""
        places, channels, out_channels = self.kernel.shape
        x = tiles.view(places, -1, channels)
        out = buffer[: len(tiles) * out_channels].view(places, -1, out_channels)
        return torch.bmm(x, self.kernel, out=out).flatten(0, 1)


Sums = tuple[Tensor, Tensor, Tensor]
"""A sparse matrix, row by row: columns and values of the entries that are not zero, and where
each row begins; int32, float32, int32 one longer than there are rows."""


def _rows(image: int, maps: int, height: int, width: int, top: int, bottom: int) -> slice:
    """Return which pixels rows ``top`` to ``bottom`` of a map, or whole maps, are."""
    return slice((image * height + top) * width, ((image + maps - 1) * height + bottom) * width)


def _bags(table: Tensor, sums: Sums) -> Tensor:
    """Multiply a sparse matrix by a dense one."""
    entries, values, starts = sums
    return functional.embedding_bag(
        entries, table, starts, mode="sum", per_sample_weights=values, include_last_offset=True
    )


def _inward(pixels: Tensor, shape: tuple[int, int, int, int, int]) -> Tensor:
    """Map the tiles of a block.

    Args:
        pixels: (maps * height * width, C).
        shape: Maps, height and width of what is there of each, rows of it that lie above the
            first outputs, lines of tiles.

    Returns:
        (6 * 6 * maps * lines * columns, C).
    """
    maps, height, width, margin, lines = shape
    channels = pixels.shape[1]
    # Along y whole rows of pixels are added: the longer the pieces, the less there is to look up.
    piece = max(
        n for n in range(1, width + 1) if width % n == 0 and (n == 1 or n * channels <= ROW)
    )
    rows = _bags(
        pixels.view(-1, piece * channels),
        _along_y(maps, height, width // piece, margin, lines),
    )
    return _bags(rows.view(-1, channels), _along_x(maps * lines, width))


@lru_cache(maxsize=256)
def _along_y(maps: int, height: int, pieces: int, margin: int, lines: int) -> Sums:
    """(maps, height, pieces) to (6, maps, lines, pieces)."""
    matrix = torch.tensor(_INPUT, dtype=torch.float32)
    place, number, line, piece, source = _grid(SIDE, maps, lines, pieces, SIDE)
    y = STEP * line + source - 1 + margin
    values = torch.where((y >= 0) & (y < height), matrix[place, source], 0)
    return _sums((number * height + y) * pieces + piece, values)


@lru_cache(maxsize=256)
def _along_x(lines: int, width: int) -> Sums:
    """(6, lines, width) to (6, 6, lines, columns)."""
    matrix = torch.tensor(_INPUT, dtype=torch.float32)
    row, place, line, column, source = _grid(SIDE, SIDE, lines, -(-width // STEP), SIDE)
    x = STEP * column + source - 1
    values = torch.where((x >= 0) & (x < width), matrix[place, source], 0)
    return _sums((row * lines + line) * width + x, values)


@lru_cache(maxsize=256)
def _outward(maps: int, height: int, width: int, lines: int) -> Sums:
    """(6, 6, maps, lines, columns) to (maps, height, width)."""
    matrix = torch.tensor(_OUTPUT, dtype=torch.float32)
    columns = -(-width // STEP)
    number, y, x, row, place = _grid(maps, height, width, SIDE, SIDE)
    tile = (number * lines + y // STEP) * columns + x // STEP
    source = (row * SIDE + place) * (maps * lines * columns) + tile
    values = matrix[y % STEP, row] * matrix[x % STEP, place]
    return _sums(source.flatten(3), values.flatten(3))


def _grid(*sizes: int) -> tuple[Tensor, ...]:
    return torch.meshgrid(*(torch.arange(size) for size in sizes), indexing="ij")


def _sums(entries: Tensor, values: Tensor) -> Sums:
    """(..., n) columns and values of rows, some of them zero, to what is not zero."""
    kept = values != 0
    starts = functional.pad(kept.sum(dim=-1).flatten().cumsum(0), (1, 0))
    return entries[kept].int(), values[kept], starts.int()


def pays() -> bool:
    """Whether this machine's CPU is of a kind on which it was measured to be faster."""
    return torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


def use_winograd(module: nn.Module) -> nn.Module:
    """Replace every convolution that gets faster by it, in place; for inference on a CPU.

    Those that work in half precision stay: what rounds there would grow in the tiles' maps.

    Returns:
        The same module.
    """
    for name, child in list(module.named_children()):
        if _is_faster(child):
            setattr(module, name, WinogradConv2d(child))
        elif not isinstance(child, HalfPrecision):
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
