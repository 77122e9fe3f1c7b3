"""Sparse convolution as a list of (output, input) pairs per kernel offset.

The one place that knows how a sparse convolution is computed, forwards and backwards; its callers
give features and a weight on any device.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

Pairs = tuple[Tensor, Tensor] | None
"""Rows (output, input) that one kernel offset connects; None connects every row to itself."""

CPU_BLOCK = 4096
"""Rows gathered at one time, so that they stay in the processor's cache."""


@dataclass(frozen=True)
class Rulebook:
    """Who feeds whom in a sparse convolution (Graham and van der Maaten, 2017).

    Attributes:
        pairs: One entry per kernel offset, offsets in the order (z, y, x), x fastest. Within one
            offset no output occurs twice, so the sum does not depend on the order of rows.
        outputs: Number of output sites.
    """

    pairs: tuple[Pairs, ...]
    outputs: int

    def apply(self, features: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Convolve.

        Under autocast the products are in half precision and their sums in the dtype of the
        weight.

        Args:
            features: (inputs, Cin).
            weight: (Cout, kz, ky, kx, Cin).
            bias: (Cout,) or None.

        Returns:
            (outputs, Cout).
        """
        matrices = weight.permute(1, 2, 3, 4, 0).flatten(0, 2).contiguous()
        dtype = matrices.dtype
        device = features.device.type
        if torch.is_autocast_enabled(device):
            half = torch.get_autocast_dtype(device)
            features, matrices = features.to(half), matrices.to(half)
        out = _GatherMultiplyScatter.apply(features, matrices, self, dtype)
        return out if bias is None else out + bias


class _GatherMultiplyScatter(torch.autograd.Function):
    """The sum over kernel offsets of ``scatter(gather(features) @ matrix)``.

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
            for rows, sources in _blocks(pairs):
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
            for rows, sources in _blocks(pairs):
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


def _blocks(pairs: Pairs) -> Iterator[tuple[Tensor, Tensor]]:
    """Cut the pairs of one offset into blocks that a CPU's cache holds; a GPU takes them whole."""
    if pairs is None:
        return
    block = CPU_BLOCK if pairs[0].device.type == "cpu" else max(len(pairs[0]), 1)
    yield from zip(*(index.split(block) for index in pairs), strict=True)
