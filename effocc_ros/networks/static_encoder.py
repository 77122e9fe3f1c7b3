# SPDX-License-Identifier: Apache-2.0
"""The sparse encoder with tensors of fixed sizes: few operations, none of which the host awaits.

Every convolution gathers the neighbours of all rows and is one matrix product. Rows without a
site are computed too, and read by nobody.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from effocc_ros.networks.sparse_encoder import (
    FLATTENING,
    HALVING,
    ConvNormRelu,
    SparseBlock,
    SparseConv,
    SparseEncoder,
    padding_of,
)
from effocc_ros.networks.sparse_sites import Triple
from effocc_ros.networks.static_sites import (
    StaticSites,
    all_sites,
    strided_sites,
    strided_table,
    submanifold_table,
)

SHARES = (1.75, 1.25, 0.5)
"""Rows of the second, third and further stages, compared with the first. Ten sweeps of a recorded
cloud, each shifted by half a metre, fill 1.41, 0.93 and 0.29 of them with 5 cm voxels."""
GATHERED_BYTES = {"cpu": 1 << 20}
"""What is gathered at one time: on a CPU as much as a cache holds."""
MOST_GATHERED = 1 << 29
"""On other devices."""


class StaticEncoder:
    """Does what a :class:`SparseEncoder` does, with its parameters, for one sample.

    Args:
        encoder: For inference, on its device.
        dtype: What it multiplies in; parameters of another are rounded once.
    """

    def __init__(self, encoder: SparseEncoder, dtype: torch.dtype = torch.float32):
        self._first = _ConvNormRelu(encoder.conv_input, dtype)
        self._stages, self._halvings = [], []
        for stage in encoder.encoder_layers.children():
            blocks = [module for module in stage if isinstance(module, SparseBlock)]
            self._stages.append([_Block(block, dtype) for block in blocks])
            self._halvings += [_ConvNormRelu(module, dtype) for module in stage[len(blocks) :]]
        self._last = _ConvNormRelu(encoder.conv_out, dtype)

    def __call__(self, features: Tensor, sites: StaticSites) -> tuple[Tensor, Tensor]:
        """Encode voxels.

        Args:
            features: (capacity, F) float32 of the sites.
            sites: Where they are.

        Returns:
            BEV (1, C * Dz, Dy, Dx) as of the SparseEncoder, and (stages - 1,) int64 how many
            sites of each further stage found no room: those with the highest keys, which are
            left out.
        """
        stages = len(self._stages)
        capacities = stage_capacities(len(sites.keys), sites.shape, stages)
        table, dropped = submanifold_table(sites), []
        x = self._first(features, table)
        for number, blocks in enumerate(self._stages):
            for block in blocks:
                x = block(x, table)
            if number + 1 < stages:
                halving = (*HALVING, padding_of(number, stages))
                output, lost = strided_sites(sites, *halving, capacities[number + 1])
                dropped.append(lost)
                x = self._halvings[number](x, strided_table(output, sites, *halving))
                sites, table = output, submanifold_table(output)
        return self._flattened(x, sites), torch.stack(dropped)

    def _flattened(self, x: Tensor, sites: StaticSites) -> Tensor:
        """Convolve every cell of the BEV: they are few, so that no sites need be found."""
        depth, height, width = sites.shape
        kernel, stride, _ = FLATTENING
        shape = ((depth - kernel[0]) // stride[0] + 1, height, width)
        table = strided_table(all_sites(shape, sites.keys), sites, *FLATTENING)
        x = self._last(x, table)
        reached = (table < len(sites.keys)).any(dim=1, keepdim=True)
        bev = (x * reached).view(height, width, shape[0], -1)
        return bev.transpose(2, 3).flatten(2).permute(2, 0, 1)[None]


def stage_capacities(first: int, shape: Triple, stages: int) -> tuple[int, ...]:
    """Return how many sites the stages have room for.

    Args:
        first: Rows of the first stage.
        shape: Its cells along (z, y, x).
        stages: How many there are.
    """
    capacities, shares = [first], (*SHARES, *(SHARES[-1],) * stages)
    for number in range(stages - 1):
        padding = padding_of(number, stages)
        shape = tuple(
            (size + 2 * pad - 3) // 2 + 1 for size, pad in zip(shape, padding, strict=True)
        )
        capacities.append(min(math.prod(shape), math.ceil(shares[number] * first)))
    return tuple(capacities)


class GatherConvolution:
    """A sparse convolution as one matrix product over the neighbours of every row.

    Args:
        convolution: Whose parameters it has.
        dtype: What it multiplies in.
    """

    def __init__(self, convolution: SparseConv, dtype: torch.dtype = torch.float32):
        bias = convolution.bias
        self._dtype = dtype
        self._weight = convolution.weight.flatten(1).to(dtype)
        self._bias = None if bias is None else bias.to(dtype)

    def __call__(self, features: Tensor, table: Tensor) -> Tensor:
        """Convolve.

        Args:
            features: (inputs, Cin).
            table: (outputs, offsets) int32 rows of the inputs; ``inputs`` where there is none.

        Returns:
            (outputs, Cout).
        """
        channels = features.shape[1]
        features = features.to(self._dtype)
        padded = torch.cat([features, features.new_zeros(1, channels)])
        row_bytes = table.shape[1] * channels * features.element_size()
        rows = max(GATHERED_BYTES.get(features.device.type, MOST_GATHERED) // row_bytes, 1)
        parts = [
            functional.linear(
                padded.index_select(0, part.flatten()).view(len(part), -1),
                self._weight,
                self._bias,
            )
            for part in table.split(rows)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)


class _ConvNormRelu:
    def __init__(self, module: ConvNormRelu, dtype: torch.dtype):
        self._convolve, self._norm = GatherConvolution(module[0], dtype), module[1]

    def __call__(self, features: Tensor, table: Tensor) -> Tensor:
        return self._norm(self._convolve(features, table)).relu_()


class _Block:
    def __init__(self, block: SparseBlock, dtype: torch.dtype):
        self._first = GatherConvolution(block.conv1, dtype), block.bn1
        self._second = GatherConvolution(block.conv2, dtype), block.bn2

    def __call__(self, features: Tensor, table: Tensor) -> Tensor:
        convolve, norm = self._first
        x = norm(convolve(features, table)).relu_()
        convolve, norm = self._second
        return (norm(convolve(x, table)) + features).relu_()
