# SPDX-License-Identifier: Apache-2.0
"""Sums over stretches of a list of fixed length, of which only the beginning is wanted.

torch's embedding_bag on a GPU lets the last bag run to the end of the list, whatever the last
offset says, and one thread adds up a bag. So the rest of a list is put into bags too, short ones.
"""

import torch
from torch import Tensor

LONGEST = 64
"""Entries of a bag of the rest."""


def with_rest(starts: Tensor, end: Tensor, length: int) -> Tensor:
    """Add bags for the rest of a list.

    Args:
        starts: (N,) where the bags begin that are wanted.
        end: (1,) where the last of them ends.
        length: Entries of the list.

    Returns:
        Starts of these bags and of bags of at most LONGEST behind them, the last one empty.
    """
    steps = torch.arange(0, length + LONGEST, LONGEST, dtype=starts.dtype, device=starts.device)
    return torch.cat([starts, (end + steps).clamp_(max=length)])
