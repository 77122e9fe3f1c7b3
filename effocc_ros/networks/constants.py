# SPDX-License-Identifier: Apache-2.0
"""A few numbers on a device: copied there once, for each copy would make the host wait."""

from functools import lru_cache

import torch
from torch import Tensor


def constant(values: tuple[float, ...], like: Tensor) -> Tensor:
    """Return numbers as a tensor of the device and dtype of another; nobody may change it.

    Args:
        values: The numbers.
        like: The other tensor.
    """
    return _made(tuple(values), like.dtype, like.device)


@lru_cache(maxsize=256)
def _made(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    # Made in inference mode, it could not serve a training step after it.
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)
