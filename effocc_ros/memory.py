# SPDX-License-Identifier: Apache-2.0
"""Memory that is freed and soon wanted again stays with the process (glibc).

A network's maps have megabytes. By itself malloc gives blocks of that size back to the kernel when
they are freed, and the kernel fills each page of the next ones with zeros: up to 200,000 pages a
frame of ``fusion_r18``. docs/speed.md has what that takes.
"""

import ctypes
import os

OPTIONS = {
    "MALLOC_MMAP_MAX_": (-4, 0),  # blocks of any size come from the heap,
    "MALLOC_TRIM_THRESHOLD_": (-1, -1),  # whose end is not given back,
    "MALLOC_ARENA_MAX": (-8, 1),  # and all threads share it: parts for one are given back.
}
"""Environment variable that sets an option of malloc -> its number for mallopt(3), and a value."""


def keep_freed_memory() -> None:
    """Let malloc keep what is freed: for a process that makes frame after frame.

    To be called before there are other threads: those that have a part of the heap to themselves
    keep it. An option that the environment sets stays as it is. Without glibc nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for variable, (option, value) in OPTIONS.items():
        if variable not in os.environ:
            mallopt(option, value)
