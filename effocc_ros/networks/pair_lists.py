# SPDX-License-Identifier: Apache-2.0
"""Sparse convolution on a CPU, pair by pair: no work for a neighbour that is not there.

The pairs of a block of outputs are gathered at once, multiplied kernel offset by kernel offset,
and each output sums its products in a single pass over them. Adding the products of one offset
after the other to rows all over the output (``index_add_``) takes several times as long.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

BLOCK = 16384
"""Pairs in a block: few enough for a cache, enough to be worth a matrix product per offset."""


@dataclass(frozen=True)
class Block:
    """The pairs of some consecutive outputs, kernel offset by kernel offset.

    Attributes:
        rows: The outputs.
        sources: (n,) int32 input of each pair.
        outputs: (n,) int32 output of each pair.
        sizes: Pairs of each kernel offset.
        order: (n,) int32 the pairs sorted by output, and within an output by offset.
        starts: (outputs,) int32 where each output begins in ``order``.
    """

    rows: slice
    sources: Tensor
    outputs: Tensor
    sizes: list[int]
    order: Tensor
    starts: Tensor


class PairLists:
    """The pairs of a rulebook, block by block.

    Args:
        pairs: Rows (output, input) per kernel offset, either sorted; no output twice in an offset.
        outputs: Number of output sites.
    """

    def __init__(self, pairs: Sequence[tuple[Tensor, Tensor]], outputs: int):
        self._outputs = outputs
        total = sum(len(rows) for rows, _ in pairs)
        self._height = max(BLOCK * outputs // max(total, 1), 1)
        self._blocks = list(self._cut(pairs)) if total else []
        self._longest = max((len(block.sources) for block in self._blocks), default=0)

    def _cut(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> Iterator[Block]:
        device = pairs[0][0].device
        firsts = torch.arange(0, self._outputs + self._height, self._height, device=device)
        bounds = torch.stack([torch.searchsorted(rows, firsts) for rows, _ in pairs])
        sizes = bounds.diff()
        offset_sizes, block_sizes = sizes.tolist(), sizes.T.tolist()
        # Where the pairs of an offset begin in a block, less where they begin in the offset.
        shifts = sizes.cumsum(0) - sizes - bounds[:, :-1]
        in_blocks = sizes.sum(0).tolist()
        sources = _regroup([source for _, source in pairs], offset_sizes)
        rows = _regroup([row for row, _ in pairs], offset_sizes)
        # Every pair takes the next free place of its output.
        count = torch.bincount(rows, minlength=self._outputs)
        begin = count.cumsum(0) - count
        order, free = torch.empty_like(rows), begin.clone()
        for (row, _), shift, size in zip(pairs, shifts, sizes, strict=True):
            place = free.index_select(0, row)
            number = torch.arange(len(row), dtype=torch.int32, device=rows.device)
            order.scatter_(0, place, number.add_(shift.int().repeat_interleave(size)))
            free.scatter_(0, row, place.add_(1))
        parts = (column.split(in_blocks) for column in (sources, rows, order))
        for number, (source, row, sequence) in enumerate(zip(*parts, strict=True)):
            first = number * self._height
            here = slice(first, min(first + self._height, self._outputs))
            starts = (begin[here] - begin[first]).int()
            yield Block(here, source, row, block_sizes[number], sequence, starts)

    def convolve(self, features: Tensor, matrices: Tensor) -> Tensor:
        """(inputs, Cin) and (offsets, Cin, Cout) to (outputs, Cout)."""
        out = features.new_zeros(self._outputs, matrices.shape[2])
        gathered, products = self._buffers(matrices)
        matrices = matrices.unbind()
        for block in self._blocks:
            _sum(block, _gather(block, features, gathered), matrices, products, out)
        return out

    def gradients(
        self, gradient: Tensor, features: Tensor, matrices: Tensor, want_features: bool
    ) -> tuple[Tensor | None, Tensor]:
        """Go back, if these are the pairs (input, output) of a convolution.

        Args:
            gradient: (outputs, Cout) of what came out.
            features: (inputs, Cin) of what went in.
            matrices: (offsets, Cout, Cin), the transposed weights.
            want_features: Whether the gradient of the features is wanted.

        Returns:
            Gradients of the features, (inputs, Cin) or None, and of the weights,
            (offsets, Cin, Cout).
        """
        out = torch.zeros_like(features) if want_features else None
        of_matrices = matrices.new_zeros(matrices.transpose(1, 2).shape)
        gathered, products = self._buffers(matrices)
        matrices, sums = matrices.unbind(), of_matrices.unbind()
        for block in self._blocks:
            parts = _gather(block, gradient, gathered)
            if want_features:
                _sum(block, parts, matrices, products, out)
            mine = products[: len(block.outputs)]
            torch.index_select(features, 0, block.outputs, out=mine)
            for total, left, right in zip(sums, mine.split(block.sizes), parts, strict=True):
                total.addmm_(left.T, right)
        return out, of_matrices

    def _buffers(self, matrices: Tensor) -> tuple[Tensor, Tensor]:
        """Room for what is gathered for a block, and for its products: new memory is slow."""
        return tuple(matrices.new_empty(self._longest, width) for width in matrices.shape[1:])


def _gather(block: Block, features: Tensor, buffer: Tensor) -> Sequence[Tensor]:
    """Return the block's inputs, per offset."""
    gathered = buffer[: len(block.sources)]
    torch.index_select(features, 0, block.sources, out=gathered)
    return gathered.split(block.sizes)


def _sum(
    block: Block,
    parts: Sequence[Tensor],
    matrices: Sequence[Tensor],
    buffer: Tensor,
    out: Tensor,
) -> None:
    """Write the block's outputs, given its inputs per offset."""
    products = buffer[: len(block.sources)]
    for part, matrix, product in zip(parts, matrices, products.split(block.sizes), strict=True):
        torch.mm(part, matrix, out=product)
    out[block.rows] = functional.embedding_bag(block.order, products, block.starts, mode="sum")


def _regroup(columns: list[Tensor], sizes: list[list[int]]) -> Tensor:
    """From (pairs,) per offset to (all pairs,) int32 block after block, offset by offset."""
    pieces = [column.int().split(size) for column, size in zip(columns, sizes, strict=True)]
    return torch.cat([piece for block in zip(*pieces, strict=True) for piece in block])
