# SPDX-License-Identifier: Apache-2.0
"""The reference vectors that ship with the tests."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FOLDER = Path(__file__).resolve().parents[1] / "vectors"


def load_vector(name: str) -> dict[str, Tensor]:
    """Return the arrays of test/vectors/<name>.npz as tensors."""
    return load_arrays(FOLDER / f"{name}.npz")


def load_arrays(path: Path) -> dict[str, Tensor]:
    """Return the arrays of an .npz file as tensors."""
    with np.load(path) as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays}
