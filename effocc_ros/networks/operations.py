# SPDX-License-Identifier: Apache-2.0
"""Count what a device is asked to do, and find what would make its host wait; no GPU is needed.

Tensors on torch's ``meta`` device show copies between host and device too, and cannot be looked
at: what runs there from upload to result can be queued in one go.
"""

from collections import Counter
from contextlib import ExitStack

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

WAITING = {
    "_linalg_check_errors",
    "_local_scalar_dense",
    "_unique2",
    "bincount",
    "equal",
    "is_nonzero",
    "masked_select",
    "nonzero",
    "repeat_interleave",
    "unique_consecutive",
    "unique_dim",
}
"""Operations of ATen whose host waits for a GPU, be it for the size of their result."""
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_"}
"""Operations that wait if a mask is among their indices."""
COPYING = {"_to_copy", "copy_"}
"""Operations that wait if they go from one device to another."""
FROM_HOST = {"tensor", "as_tensor", "from_numpy", "new_tensor"}
"""Functions of torch that copy numbers of Python or numpy to a device."""
FREE = {"_unsafe_view", "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}
"""Operations that launch nothing, beside views."""


class OperationCount:
    """Counts the operations in a ``with`` block.

    Attributes:
        operations: Name of each operation that computes or copies -> how often it ran.
        waits: Name of each one that makes the host of a GPU wait -> how often it ran.
    """

    def __init__(self):
        self.operations: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()
        self._stack = ExitStack()

    def __enter__(self) -> "OperationCount":
        self._stack.enter_context(_Functions(self.waits))
        self._stack.enter_context(_Operations(self.operations, self.waits))
        return self

    def __exit__(self, *exception) -> None:
        self._stack.close()


class _Functions(TorchFunctionMode):
    """Notes what torch copies from the host before any operation is seen."""

    def __init__(self, waits: Counter[str]):
        super().__init__()
        self._waits = waits

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        if name in FROM_HOST:
            self._waits[name] += 1
        return function(*args, **(kwargs or {}))


class _Operations(TorchDispatchMode):
    """Notes every operation on its way to a device."""

    def __init__(self, operations: Counter[str], waits: Counter[str]):
        super().__init__()
        self._operations, self._waits = operations, waits

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.__name__.split(".")[0]
        result = function(*args, **(kwargs or {}))
        if name not in FREE and not _is_view(function):
            self._operations[name] += 1
        if name in WAITING or (name in INDEXING and _masks(args[1])):
            self._waits[name] += 1
        if name in COPYING and _crosses(args, result):
            self._waits[f"{name} between devices"] += 1
        return result


def _is_view(function) -> bool:
    aliases = (result.alias_info for result in function._schema.returns)
    return any(alias is not None and not alias.is_write for alias in aliases)


def _masks(indices) -> bool:
    kinds = (torch.bool, torch.uint8)
    return any(isinstance(index, Tensor) and index.dtype in kinds for index in indices)


def _crosses(args, result) -> bool:
    sources = (each for each in args if isinstance(each, Tensor))
    return any(source.device != result.device for source in sources)
