# SPDX-License-Identifier: Apache-2.0
"""What a worker does, wherever it is: prepare once, then one task after the other."""

import os
import socket
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from effocc_ros.errors import InputError

Handle = Callable[[Any], Any]
"""Does a task. An exception of it ends the run: what may fail alone is caught and returned."""
Prepare = Callable[[int], Handle]
"""Makes a worker of the process that calls it; takes the worker's number among those of its
machine. Must be picklable."""


@dataclass(frozen=True)
class Reply:
    """What a worker sends back.

    Attributes:
        value: The result of a task, or the worker's name when it is ready.
        error: What ended it instead.
    """

    value: Any = None
    error: Exception | None = None

    def taken(self) -> Any:
        """Return the value, or raise what happened instead of it."""
        if self.error is not None:
            raise self.error
        return self.value


def reply(function: Callable[..., Any], *arguments: Any) -> Reply:
    """Call a function and keep what it returns or raises in a form that travels."""
    try:
        return Reply(function(*arguments))
    except InputError as error:
        return Reply(error=error)
    except Exception:
        # Exceptions of other packages need not be picklable, and lose their traceback.
        return Reply(error=RuntimeError(f"worker {worker_name()}:\n{traceback.format_exc()}"))


def worker_name() -> str:
    """Return host and process: what `kill` and a log want to know."""
    return f"{socket.gethostname()}:{os.getpid()}"


def use_threads(count: int) -> None:
    """Let networks use so many threads of this process, and nothing else more than one."""
    import cv2
    import torch
    from threadpoolctl import threadpool_limits

    cv2.setNumThreads(0)
    threadpool_limits(1)
    torch.set_num_threads(count)
