# SPDX-License-Identifier: Apache-2.0
"""Sparse convolution on a CPU with a place for every neighbour, there or not.

A block of outputs is one matrix product, as long as all kernel offsets together, with zeros for
the neighbours that are not there. Half precision is so fast that this beats many small products.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from effocc_ros.networks.pair_lists import Finish
from effocc_ros.networks.threads import share_out

BLOCK = 1 << 21
"""Numbers that are gathered for a block of outputs: few enough for a cache, and no more operations
than threads can share."""


class NeighbourTable:
    """The input at every kernel offset of every output.

    Args:
        pairs: Rows (output, input) per kernel offset, no output twice in an offset.
        outputs: Number of output sites.
        inputs: Number of input sites; the row behind the last stands for a missing one.
    """

    def __init__(self, pairs: Sequence[tuple[Tensor, Tensor]], outputs: int, inputs: int):
        device = pairs[0][0].device
        table = torch.full((outputs, len(pairs)), inputs, dtype=torch.int32, device=device)
        for number, (rows, sources) in enumerate(pairs):
            table[:, number].scatter_(0, rows, sources.int())
        self._table = table

    def convolve(
        self,
        features: Tensor,
        matrices: Tensor,
        finish: Finish | None = None,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """(inputs, Cin) and (offsets, Cin, Cout) to (outputs, Cout).

        Args:
            features: (inputs, Cin).
            matrices: (offsets, Cin, Cout), of the same dtype.
            finish: What follows, as for the pair lists; its sums are of ``dtype``.
            dtype: Of the outputs; the features' when None.
        """
        out = features.new_empty(len(self._table), matrices.shape[2], dtype=dtype)
        matrix, features = matrices.flatten(0, 1), _with_missing(features)

        def work(blocks: Iterator[slice]) -> None:
            for rows, gathered in self._gather(features, blocks):
                sums = out[rows].copy_(torch.mm(gathered, matrix))
                if finish is not None:
                    finish(sums, rows)

        share_out(work, self._blocks(features.shape[1]))
        return out

    def gradients(
        self, gradient: Tensor, features: Tensor, matrices: Tensor, want_features: bool
    ) -> tuple[Tensor | None, Tensor]:
        """Go back, if this is the table of the outputs at every offset of an input.

        Args:
            gradient: (outputs, Cout) of what came out.
            features: (inputs, Cin) of what went in.
            matrices: (offsets, Cout, Cin), the transposed weights.
            want_features: Whether the gradient of the features is wanted.

        Returns:
            Gradients of the features, (inputs, Cin) or None, and, as float32, of the weights,
            (offsets, Cin, Cout).
        """
        out = torch.empty_like(features) if want_features else None
        matrix = matrices.flatten(0, 1)
        of_matrix = torch.zeros(matrix.shape, dtype=torch.float32, device=matrix.device)
        blocks = self._blocks(gradient.shape[1])
        for rows, gathered in self._gather(_with_missing(gradient), blocks):
            if want_features:
                torch.mm(gathered, matrix, out=out[rows])
            of_matrix += gathered.T @ features[rows]
        return out, of_matrix.view(matrices.shape).transpose(1, 2)

    def _height(self, channels: int) -> int:
        """Return how many outputs make a block."""
        count, offsets = self._table.shape
        return min(max(BLOCK // (offsets * channels), 1), max(count, 1))

    def _blocks(self, channels: int) -> list[slice]:
        """Return the rows of each block of outputs."""
        count, height = len(self._table), self._height(channels)
        return [slice(first, min(first + height, count)) for first in range(0, count, height)]

    def _gather(self, features: Tensor, blocks: Iterable[slice]) -> Iterator[tuple[slice, Tensor]]:
        """Give blocks of outputs and their inputs (rows, offsets * C), all in one buffer.

        Args:
            features: (inputs + 1, C), the last row for a missing one.
            blocks: Rows of some blocks.
        """
        offsets, channels = self._table.shape[1], features.shape[1]
        buffer = features.new_empty(self._height(channels) * offsets, channels)
        for rows in blocks:
            index = self._table[rows].flatten()
            gathered = buffer[: len(index)]
            torch.index_select(features, 0, index, out=gathered)
            yield rows, gathered.view(-1, offsets * channels)


def _with_missing(features: Tensor) -> Tensor:
    """Add the row that stands for a missing input."""
    return torch.cat([features, features.new_zeros(1, features.shape[1])])
