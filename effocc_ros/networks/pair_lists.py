# SPDX-License-Identifier: Apache-2.0
"""Sparse convolution on a CPU, pair by pair: no work for a neighbour that is not there.

The pairs of a block of outputs are gathered and multiplied kernel offset by kernel offset, and
each output sums its products in a single pass over them. Adding the products of one offset after
the other to rows all over the output (``index_add_``) takes several times as long.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from effocc_ros.networks.threads import share_out

BLOCK = 32768
"""Pairs in a block: few enough for a cache, enough to be worth a matrix product per offset."""
Finish = Callable[[Tensor, slice], Tensor]


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
        own: The kernel offset, if there is one, that connects every row to itself.
    """

    def __init__(
        self, pairs: Sequence[tuple[Tensor, Tensor]], outputs: int, own: int | None = None
    ):
        self._outputs, self._own = outputs, own
        total = sum(len(rows) for rows, _ in pairs)
        self._height = max(BLOCK * outputs // max(total, 1), 1)
        self._blocks = list(self._cut(pairs)) if total else []
        self._most_pairs = max((len(block.sources) for block in self._blocks), default=0)
        self._most_at_once = max((max(block.sizes) for block in self._blocks), default=0)

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

    def convolve(self, features: Tensor, matrices: Tensor, finish: Finish | None = None) -> Tensor:
        """(inputs, Cin) and (offsets, Cin, Cout) to (outputs, Cout).

        Args:
            features: (inputs, Cin).
            matrices: (offsets, Cin, Cout).
            finish: What follows, done to a block of outputs while it is in a cache; changes the
                sums it is given, (some outputs, Cout), of the outputs that the slice says.
        """
        if not self._blocks:
            out = features.new_zeros(self._outputs, matrices.shape[2])
            return out if finish is None else finish(out, slice(None))
        out = features.new_empty(self._outputs, matrices.shape[2])

        def work(blocks: Iterator[Block]) -> None:
            # New memory is slow. What is gathered for one offset stays in the innermost cache.
            gathered = features.new_empty(self._most_at_once, features.shape[1])
            products = features.new_empty(self._most_pairs, out.shape[1])
            for block in blocks:
                parts = _split(block, products)
                for number, (sources, product) in enumerate(parts):
                    if number == self._own:
                        rows = features[block.rows]
                    else:
                        rows = _rows(features, sources, gathered)
                    torch.mm(rows, matrices[number], out=product)
                sums = _sum(block, products)
                out[block.rows] = sums if finish is None else finish(sums, block.rows)

        share_out(work, self._blocks)
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
        gathered, mine, products = (
            matrices.new_empty(rows, width)
            for rows, width in (
                (self._most_at_once, gradient.shape[1]),
                (self._most_at_once, features.shape[1]),
                (self._most_pairs, features.shape[1]),
            )
        )
        offsets = list(zip(matrices.unbind(), of_matrices.unbind(), strict=True))
        for block in self._blocks:
            outputs = block.outputs.split(block.sizes)
            parts = zip(_split(block, products), outputs, offsets, strict=True)
            for (sources, product), rows, (matrix, total) in parts:
                part = _rows(gradient, sources, gathered)
                if want_features:
                    torch.mm(part, matrix, out=product)
                total.addmm_(_rows(features, rows, mine).T, part)
            if want_features:
                out[block.rows] = _sum(block, products)
        return out, of_matrices


def _split(block: Block, products: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Give, per offset, a block's inputs and the room for their products."""
    room = products[: len(block.sources)]
    return zip(block.sources.split(block.sizes), room.split(block.sizes), strict=True)


def _rows(table: Tensor, index: Tensor, buffer: Tensor) -> Tensor:
    """Return rows of a table, in a buffer."""
    return torch.index_select(table, 0, index, out=buffer[: len(index)])


def _sum(block: Block, products: Tensor) -> Tensor:
    """Return the block's outputs, given all products."""
    products = products[: len(block.sources)]
    return functional.embedding_bag(block.order, products, block.starts, mode="sum")


def _regroup(columns: list[Tensor], sizes: list[list[int]]) -> Tensor:
    """From (pairs,) per offset to (all pairs,) int32 block after block, offset by offset."""
    pieces = [column.int().split(size) for column, size in zip(columns, sizes, strict=True)]
    return torch.cat([piece for block in zip(*pieces, strict=True) for piece in block])
