# SPDX-License-Identifier: Apache-2.0
"""The moving average of a network's weights, which is what EFFOcc publishes."""

import math
from collections.abc import Iterable
from copy import deepcopy

import torch
from torch import Tensor, nn


def decay_after(updates: int, *, decay: float, ramp: float) -> float:
    """Return the decay of an update: ``decay * (1 - exp(-updates / ramp))``.

    Args:
        updates: Number of the update, this one counted.
        decay: What it comes to.
        ramp: Updates in which it grows.
    """
    return decay * (1.0 - math.exp(-updates / ramp))


class Ema:
    """A network whose weights are the moving average of another's (EFFOcc's MEGVIIEMAHook).

    Parameters and the floating statistics of batch normalisations are averaged,
    ``v <- d v + (1 - d) w``; whole numbers, such as the counts of batches, stay as they were.

    Args:
        network: Whose weights are averaged; the average starts from them.
        start: Updates that the average pretends to have seen. EFFOcc's 10560 keeps the start for
            some 500 steps; with 0 the average forgets it at once.
        decay: What the decay comes to.
        ramp: Updates in which it grows.

    Attributes:
        network: The averaged network, in eval mode.
        updates: Updates so far, ``start`` counted.
    """

    def __init__(
        self, network: nn.Module, *, start: int = 10560, decay: float = 0.999, ramp: float = 2000.0
    ):
        self.network = deepcopy(network).eval().requires_grad_(False)
        self.updates = start
        self._decay, self._ramp = decay, ramp

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights of the network after an optimizer step."""
        self.updates += 1
        share = 1.0 - decay_after(self.updates, decay=self._decay, ramp=self._ramp)
        mine, theirs = (_floating(n.state_dict().values()) for n in (self.network, network))
        torch._foreach_lerp_(mine, theirs, share)


def _floating(tensors: Iterable[Tensor]) -> list[Tensor]:
    return [tensor for tensor in tensors if tensor.is_floating_point()]
