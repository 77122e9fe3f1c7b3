# SPDX-License-Identifier: Apache-2.0
"""Record what a function asks of a GPU, and replay it: one call in place of hundreds.

A recording holds for tensors of the same shapes. It only saves time: where it cannot be made, the
function is called instead.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor

from effocc_ros.preprocess.raw import RawInputs

MOST_RECORDINGS = 3
"""Each holds all the memory that a frame needs."""

logger = logging.getLogger(__name__)

Outputs = tuple[Tensor | None, ...]
Function = Callable[[RawInputs], Outputs]


class Recordings:
    """Calls a function, from the second call with the same shapes on by a recording of it.

    Args:
        function: Of tensors on one device, without a host wait and with the same operations for
            tensors of the same shapes.
        record: Makes a recording of a function for inputs like those given.
    """

    def __init__(self, function: Function, record: Callable[[Function, RawInputs], Function]):
        self._function, self._record = function, record
        self._recordings: OrderedDict[tuple, Function | None] = OrderedDict()
        self._possible = True

    @property
    def recorded(self) -> int:
        """How many recordings there are."""
        return sum(recording is not None for recording in self._recordings.values())

    def __call__(self, raw: RawInputs) -> Outputs:
        """Return what the function gives; the next call may overwrite it."""
        key = raw.places, *(tensor.shape for tensor in raw.tensors())
        if not self._possible or not self._met(key):
            return self._function(raw)
        try:
            self._recordings[key] = self._recordings[key] or self._record(self._function, raw)
        except RuntimeError as error:
            # An operation that cannot be recorded, or too little memory for it.
            logger.warning("no CUDA graph, each operation is launched by itself: %s", error)
            self._possible = False
            self._recordings.clear()
            return self._function(raw)
        return self._recordings[key](raw)

    def _met(self, key: tuple) -> bool:
        """Whether a call had these shapes lately; they are the newest from now on."""
        known = key in self._recordings
        self._recordings.setdefault(key, None)
        self._recordings.move_to_end(key)
        while len(self._recordings) > MOST_RECORDINGS:
            self._recordings.popitem(last=False)
        return known


def record_cuda_graph(function: Function, raw: RawInputs) -> Function:
    """Record a function as a CUDA graph.

    Args:
        function: What to record.
        raw: Inputs like those to come, on the GPU.

    Raises:
        RuntimeError: It cannot be recorded.
    """
    inputs = raw.with_tensors(tuple(tensor.clone() for tensor in raw.tensors()))
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        function(inputs)  # What is made once must be there before.
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # Another thread may upload the next frame meanwhile.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        outputs = function(inputs)
    torch.cuda.empty_cache()

    def replay(raw: RawInputs) -> Outputs:
        for mine, theirs in zip(inputs.tensors(), raw.tensors(), strict=True):
            mine.copy_(theirs, non_blocking=True)
        graph.replay()
        return outputs

    return replay
