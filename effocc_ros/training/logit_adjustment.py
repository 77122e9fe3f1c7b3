# SPDX-License-Identifier: Apache-2.0
"""Taking class weights back, in part, once a network has learned (Menon et al., ICLR 2021).

A network that was trained with a weight for each class scores the class of highest weight times
probability. Without weights it would never have learned small classes; with all of their weight it
sees them everywhere. Subtracting a share of the weights' logarithms from the scores lies between
the two, and is no more than another bias of the head's last layer.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from effocc_ros.networks.effocc import EffOcc


@contextmanager
def adjusted(network: EffOcc, class_weights: Tensor | None, share: float) -> Iterator[EffOcc]:
    """Let the network score classes with a part of their weights taken back.

    Args:
        network: The network; after the block it is what it was, to the bit.
        class_weights: (C,) weights that it was trained with; None where there were none.
        share: 0 changes nothing, 1 takes the weights back whole.

    Yields:
        The network.
    """
    bias = network.occ_head.predicter[-1].bias
    before = bias.detach().clone()
    _add(network, class_weights, -share)
    try:
        yield network
    finally:
        with torch.no_grad():
            bias.copy_(before)


def give_back(network: EffOcc, class_weights: Tensor | None, share: float) -> None:
    """Undo :func:`adjusted` in weights that were saved with it: what a training shall start from.

    Args:
        network: The network; changed in place, so that adjusted it scores as it did.
        class_weights: (C,) weights that it will be trained with; None where there are none.
        share: That will be taken back again.
    """
    _add(network, class_weights, share)


def _add(network: EffOcc, class_weights: Tensor | None, share: float) -> None:
    """Add a share of the logarithms of the class weights to the scores of their classes."""
    if class_weights is None or not share:
        return
    bias = network.occ_head.predicter[-1].bias
    with torch.no_grad():
        bias.view(-1, len(class_weights)).add_(share * class_weights.log().to(bias))
