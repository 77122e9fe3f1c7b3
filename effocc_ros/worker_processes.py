# SPDX-License-Identifier: Apache-2.0
"""How a worker process begins, so that it ends with its parent and minds its own business."""

import os
import signal
import threading
from multiprocessing import parent_process

import cv2
from threadpoolctl import threadpool_limits

from effocc_ros.memory import keep_freed_memory


def settle() -> None:
    """Make this process a good worker: one thread, deaf to Ctrl-C, gone when its parent is.

    Threads of their own, of BLAS above all, would make processes on every core a third slower.
    """
    keep_freed_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # 0, not 1: in a forked process 1 waits for ever for the parent's threads, if it has any.
    cv2.setNumThreads(0)
    threadpool_limits(1)


def _end_with_parent() -> None:
    parent_process().join()
    os._exit(1)
