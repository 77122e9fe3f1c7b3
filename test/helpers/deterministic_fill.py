# SPDX-License-Identifier: Apache-2.0
"""Weights and inputs that any implementation can make for itself, bit by bit."""

import zlib

import numpy as np
import torch
from torch import Tensor, nn

GOLDEN, STEP = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03)
MIX1, MIX2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
GAINS = (
    ("img_backbone.", 2.0),
    ("img_neck.", 2.0),
    ("img_view_transformer.depth_net.", 3.0),
    ("", 6.0),
)


def stream(name: str, count: int) -> np.ndarray:
    """Return ``count`` float64 in [0, 1) that depend on the name alone (splitmix64)."""
    with np.errstate(over="ignore"):
        key = np.uint64(zlib.crc32(name.encode())) * GOLDEN
        z = key + np.arange(1, count + 1, dtype=np.uint64) * STEP
        z = (z ^ (z >> np.uint64(30))) * MIX1
        z = (z ^ (z >> np.uint64(27))) * MIX2
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def uniform(name: str, shape: tuple[int, ...], low: float, high: float) -> Tensor:
    """Return float32 values in [low, high) of the named stream."""
    values = low + (high - low) * stream(name, int(np.prod(shape, dtype=np.int64)))
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def filled_value(name: str, value: Tensor) -> Tensor:
    """Return the fill of one state-dict entry, named by its full official name."""
    if name.endswith("num_batches_tracked"):
        return torch.zeros_like(value)
    if not value.is_floating_point():
        return value
    shape = tuple(value.shape)
    if name.endswith((".running_mean", ".bias")):
        return uniform(name, shape, -0.1, 0.1)
    if name.endswith(".running_var"):
        return uniform(name, shape, 0.5, 1.5)
    if len(shape) == 1:
        return uniform(name, shape, 0.75, 1.25)
    gain = next(gain for prefix, gain in GAINS if name.startswith(prefix))
    bound = (gain * shape[0] / value.numel()) ** 0.5
    return uniform(name, shape, -bound, bound)


def fill(module: nn.Module, prefix: str = "") -> nn.Module:
    """Fill a module's state dict; ``prefix`` is its official name, ending in a dot."""
    state = module.state_dict()
    module.load_state_dict({name: filled_value(prefix + name, v) for name, v in state.items()})
    return module.eval()
