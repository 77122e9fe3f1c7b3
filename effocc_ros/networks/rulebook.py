# SPDX-License-Identifier: Apache-2.0
"""Sparse convolution as a list of (output, input) pairs per kernel offset.

The one place that knows how a sparse convolution is computed, forwards and backwards; its callers
give features and a weight on any device.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from effocc_ros.networks.found_once import found_once
from effocc_ros.networks.neighbour_table import NeighbourTable
from effocc_ros.networks.pair_lists import PairLists

Pairs = tuple[Tensor, Tensor] | None
"""Rows (output, input) that one kernel offset connects; None connects every row to itself."""

DENSE = 1 / 3
"""Share of neighbours that are there from which a table of all is the faster one, measured with
bfloat16 at 16 to 128 channels on a processor with AMX and on one of AMD with AVX512-BF16."""

MANY = 27
"""Kernel offsets from which on a table is made: those of the last convolution, three, gain hardly
anything by it, and what that one rounds moves more voxels than all before it."""


@dataclass(frozen=True)
class Rulebook:
    """Who feeds whom in a sparse convolution (Graham and van der Maaten, 2017).

    Attributes:
        pairs: One entry per kernel offset, offsets in the order (z, y, x), x fastest. Within one
            offset outputs and inputs both ascend and none occurs twice, so the sum does not
            depend on the order of rows.
        outputs: Number of output sites.
        inputs: Number of input sites.
        mirrored: Whether the k-th entry is the k-th last with outputs and inputs swapped.
    """

    pairs: tuple[Pairs, ...]
    outputs: int
    inputs: int
    mirrored: bool = False

    def apply(
        self,
        features: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        shortcut: Tensor | None = None,
        relu: bool = False,
    ) -> Tensor:
        """Convolve, and do what may follow.

        Under autocast features and weight are rounded to half precision, but for inference on a
        CPU where that is no faster. What comes out has the dtype of the weight; sums are in
        float32, and a table rounds them once.

        Args:
            features: (inputs, Cin).
            weight: (Cout, kz, ky, kx, Cin).
            bias: (Cout,), added to every output; or None.
            shortcut: (outputs, Cout), added too; or None.
            relu: Whether what is negative becomes 0 in the end.

        Returns:
            (outputs, Cout).
        """
        matrices = weight.permute(1, 2, 3, 4, 0).flatten(0, 2).contiguous()
        dtype = matrices.dtype
        device = features.device.type
        half = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None

        def finish(out: Tensor, rows: slice) -> Tensor:
            if bias is not None:
                out = out.add_(bias)
            if shortcut is not None:
                out = out.add_(shortcut[rows])
            return out.relu_() if relu else out

        if device == "cpu" and not torch.is_grad_enabled():
            fast = half or dtype
            way = self.in_blocks(fast)
            if isinstance(way, NeighbourTable):
                return way.convolve(features.to(fast), matrices.to(fast), finish, dtype)
            if dtype == torch.promote_types(dtype, torch.float32):
                return way.convolve(features.to(dtype), matrices, finish)
        if half is not None:
            features, matrices = features.to(half), matrices.to(half)
        way = _InBlocks if device == "cpu" else _GatherMultiplyScatter
        return finish(way.apply(features, matrices, self, dtype), slice(None))

    @property
    def reverse(self) -> "Rulebook":
        """The rulebook of the way back: outputs and inputs swapped.

        That of a mirrored one is itself, with its offsets in the opposite order.
        """
        # Not cached for a mirrored one: a cycle would keep its tables until Python looks for
        # cycles, and an object of many megabytes counts as little as any other there.
        return self if self.mirrored else self._swapped

    @found_once
    def _swapped(self) -> "Rulebook":
        pairs = tuple(None if each is None else each[::-1] for each in self.pairs)
        return replace(self, pairs=pairs, outputs=self.inputs, inputs=self.outputs)

    def in_blocks(self, dtype: torch.dtype) -> PairLists | NeighbourTable:
        """Return what is faster on a CPU; only the table works in half precision."""
        count = sum(self.outputs if pairs is None else len(pairs[0]) for pairs in self.pairs)
        dense = count > DENSE * self.outputs * len(self.pairs) and len(self.pairs) >= MANY
        return self._table if dtype == torch.bfloat16 and dense else self._lists

    @found_once
    def _lists(self) -> PairLists:
        own = self.pairs.index(None) if None in self.pairs else None
        return PairLists(self._all_pairs(), self.outputs, own)

    @found_once
    def _table(self) -> NeighbourTable:
        return NeighbourTable(self._all_pairs(), self.outputs, self.inputs)

    def _all_pairs(self) -> list[tuple[Tensor, Tensor]]:
        device = next(pairs[0].device for pairs in self.pairs if pairs is not None)
        every = torch.arange(self.outputs, device=device)
        return [(every, every) if pairs is None else pairs for pairs in self.pairs]


class _InBlocks(torch.autograd.Function):
    """Convolution on a CPU, in blocks of outputs, and of inputs on the way back.

    The way back is a convolution too, so nothing that was gathered is kept for it.
    """

    @staticmethod
    def forward(ctx, features: Tensor, matrices: Tensor, rulebook: Rulebook, dtype: torch.dtype):
        """(inputs, Cin) and (offsets, Cin, Cout) to (outputs, Cout) of ``dtype``."""
        ctx.save_for_backward(features, matrices)
        ctx.rulebook = rulebook
        way, exact = _way(rulebook, features.dtype)
        return way.convolve(features.to(exact), matrices.to(exact)).to(dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        """Gradients of features and matrices."""
        features, matrices = ctx.saved_tensors
        rulebook = ctx.rulebook
        way, exact = _way(rulebook.reverse, features.dtype)
        gradient, transposed = gradient.to(exact), matrices.to(exact).transpose(1, 2)
        if rulebook.mirrored:
            transposed = transposed.flip(0)
        transposed = transposed.contiguous()
        want_features, want_matrices = ctx.needs_input_grad[:2]
        if not want_matrices:
            return way.convolve(gradient, transposed).to(features.dtype), None, None, None
        of_features, of_matrices = way.gradients(
            gradient, features.to(exact), transposed, want_features
        )
        if rulebook.mirrored:
            of_matrices = of_matrices.flip(0)
        if want_features:
            of_features = of_features.to(features.dtype)
        return of_features, of_matrices.to(matrices.dtype), None, None


def _way(rulebook: Rulebook, dtype: torch.dtype) -> tuple[PairLists | NeighbourTable, torch.dtype]:
    """How a CPU convolves features of a dtype, and in which dtype."""
    way = rulebook.in_blocks(dtype)
    half = isinstance(way, NeighbourTable)
    return way, dtype if half else torch.promote_types(dtype, torch.float32)


class _GatherMultiplyScatter(torch.autograd.Function):
    """On a GPU: the sum over kernel offsets of ``scatter(gather(features) @ matrix)``.

    Its backward pass gathers again instead of keeping what the forward pass gathered: the 27
    blocks of a convolution are many times as large as its features.
    """

    @staticmethod
    def forward(ctx, features: Tensor, matrices: Tensor, rulebook: Rulebook, dtype: torch.dtype):
        """(inputs, Cin) and (offsets, Cin, Cout) to (outputs, Cout) of ``dtype``."""
        ctx.save_for_backward(features, matrices)
        ctx.rulebook = rulebook
        if None in rulebook.pairs:
            out = (features @ matrices[rulebook.pairs.index(None)]).to(dtype)
        else:
            out = features.new_zeros(rulebook.outputs, matrices.shape[2], dtype=dtype)
        for matrix, pairs in zip(matrices, rulebook.pairs, strict=True):
            if pairs is not None:
                rows, sources = pairs
                product = features.index_select(0, sources) @ matrix
                out.index_add_(0, rows, product.to(dtype))
        return out

    @staticmethod
    def backward(ctx, gradient: Tensor):
        """Gradients of features and matrices."""
        features, matrices = ctx.saved_tensors
        want_features, want_matrices = ctx.needs_input_grad[:2]
        gradient = gradient.to(matrices.dtype)
        # Half precision is good enough for products, not for their sums.
        exact = torch.promote_types(features.dtype, torch.float32)
        of_features = torch.zeros_like(features, dtype=exact) if want_features else None
        of_matrices = torch.zeros_like(matrices, dtype=exact) if want_matrices else None
        for number, pairs in enumerate(ctx.rulebook.pairs):
            transposed = matrices[number].T
            if pairs is None:
                if want_features:
                    of_features += gradient @ transposed
                if want_matrices:
                    of_matrices[number] += features.T @ gradient
                continue
            rows, sources = pairs
            part = gradient.index_select(0, rows)
            if want_features:
                of_features.index_add_(0, sources, (part @ transposed).to(exact))
            if want_matrices:
                of_matrices[number] += features.index_select(0, sources).T @ part
        if want_features:
            of_features = of_features.to(features.dtype)
        if want_matrices:
            of_matrices = of_matrices.to(matrices.dtype)
        return of_features, of_matrices, None, None
