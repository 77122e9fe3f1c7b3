"""Sparse convolution as a list of (output, input) pairs per kernel offset.

The one place that knows how a sparse convolution is computed. What calls it gives features and a
weight, whatever the device.
"""

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

        Args:
            features: (inputs, Cin).
            weight: (Cout, kz, ky, kx, Cin).
            bias: (Cout,) or None.

        Returns:
            (outputs, Cout).
        """
        matrices = weight.permute(1, 2, 3, 4, 0).flatten(0, 2).contiguous()
        out = self._start(features, matrices, bias)
        for matrix, pairs in zip(matrices, self.pairs, strict=True):
            if pairs is None:
                continue
            block = CPU_BLOCK if features.device.type == "cpu" else max(len(pairs[0]), 1)
            for rows, sources in zip(*(index.split(block) for index in pairs), strict=True):
                product = features.index_select(0, sources) @ matrix
                out.index_add_(0, rows, product.to(out.dtype))
        return out

    def _start(self, features: Tensor, matrices: Tensor, bias: Tensor | None) -> Tensor:
        """Bias, and what every row gives to itself where the rulebook has such an offset.

        In the dtype of the weight, so that sums stay in float32 where autocast makes the products
        half precision.
        """
        if None not in self.pairs:
            out = features.new_zeros(self.outputs, matrices.shape[2], dtype=matrices.dtype)
            return out if bias is None else out + bias
        own = matrices[self.pairs.index(None)]
        out = features @ own if bias is None else torch.addmm(bias, features, own)
        return out.to(matrices.dtype)
