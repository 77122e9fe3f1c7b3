# SPDX-License-Identifier: Apache-2.0
"""How unsure a network is of every voxel."""

from typing import NamedTuple

import torch
from torch import Tensor

from effocc_ros.networks.effocc import EffOcc

COLUMNS = 4096
"""Columns of voxels whose logits exist at one time."""


class Unsureness(NamedTuple):
    """What a network says of the voxels of one frame, and how unsure it is.

    Attributes:
        entropy: (Dx, Dy, Dz) float32, -sum p ln p over the classes: 0 when sure, at most the
            logarithm of their number.
        labels: (Dx, Dy, Dz) uint8.
    """

    entropy: Tensor
    labels: Tensor


@torch.inference_mode()
def unsureness(network: EffOcc, **inputs) -> Unsureness:
    """Run a network on a batch of one; the logits of all voxels never exist at one time.

    Args:
        network: In eval mode.
        **inputs: As :meth:`EffOcc.forward` takes them.
    """
    return unsureness_of_features(network.occ_head, network.merge(*network.bevs(**inputs)[:2]))


def unsureness_of_features(head: torch.nn.Module, bev: Tensor) -> Unsureness:
    """Classify and measure a BEV.

    Args:
        head: An :class:`OccupancyHead`.
        bev: (1, C, Dy, Dx) what the head sees.
    """
    cells = head.cells(bev)[0]
    shape = (*cells.shape[:2], head.height)
    cells = cells.flatten(0, 1)
    entropy = torch.empty(len(cells), head.height, device=bev.device)
    labels = torch.empty(len(cells), head.height, dtype=torch.uint8, device=bev.device)
    for start in range(0, len(cells), COLUMNS):
        part = slice(start, start + COLUMNS)
        logits = head.predicter(cells[part]).unflatten(-1, (head.height, head.class_count))
        entropy[part] = softmax_entropy(logits)
        labels[part] = logits.argmax(-1)
    return Unsureness(entropy.view(shape), labels.view(shape))


def softmax_entropy(logits: Tensor) -> Tensor:
    """(..., C) logits to the entropy (...) float32 of their softmax, in nats."""
    logs = logits.float().log_softmax(dim=-1)
    # A class ruled out has p = 0 and ln p = -inf, and adds nothing.
    return torch.special.entr(logs.exp()).sum(dim=-1)
