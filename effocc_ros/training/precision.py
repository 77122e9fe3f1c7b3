# SPDX-License-Identifier: Apache-2.0
"""Half precision where it does no harm.

Fabric's own ``bf16-mixed`` casts the inputs of the network before it runs: most points of a
sweep then lie in another 0.1 m voxel, for bfloat16 knows a place 40 m away to 0.25 m. So Fabric is
told ``32-true``, inputs stay float32, and only the network's convolutions and matrix products are
put under torch's autocast; networks keep matrices and voxels in float32 themselves.
"""

from contextlib import AbstractContextManager, nullcontext

import torch


def arithmetic(precision: str, device: torch.device) -> AbstractContextManager:
    """Return the context in which a network runs.

    Args:
        precision: ``32-true`` or ``bf16-mixed``.
        device: Where the network is.
    """
    if precision == "32-true":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
