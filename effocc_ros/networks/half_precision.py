# SPDX-License-Identifier: Apache-2.0
"""Encoders that work in half precision on a CPU, in a network whose other parts stay float32.

What may be rounded is what moves fewest voxels: behind the encoders a rounded number is soon a
score, and scores of two classes may lie close together. docs/speed.md has the voxels that differ
for each part.
"""

import torch
from torch import Tensor, nn

from effocc_ros.networks.effocc import EffOcc

ENCODERS = ("img_backbone", "img_neck", "pts_middle_encoder")
"""Parts of a network that may round."""


class HalfPrecision(nn.Module):
    """Runs a module under autocast on the CPU.

    Args:
        module: What runs.
        dtype: What its convolutions and products work in.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype):
        super().__init__()
        self.module, self._dtype = module, dtype

    def forward(self, *inputs) -> Tensor | tuple[Tensor, ...]:
        """As the module; what comes out is float32."""
        with torch.autocast("cpu", self._dtype):
            outputs = self.module(*inputs)
        if isinstance(outputs, Tensor):
            return outputs.float()
        return tuple(each.float() for each in outputs)


def encode_in(network: EffOcc, dtype: torch.dtype) -> EffOcc:
    """Let the encoders of a network work in half precision, in place; for inference on a CPU.

    Args:
        network: On a CPU.
        dtype: bfloat16.

    Returns:
        The same network.
    """
    for name in ENCODERS:
        if hasattr(network, name):
            setattr(network, name, HalfPrecision(getattr(network, name), dtype))
    return network
