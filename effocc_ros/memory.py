# SPDX-License-Identifier: Apache-2.0
"""Memory that is freed and soon wanted again stays with the process (glibc).

A network's maps take megabytes. By itself malloc gives blocks of that size back to the kernel when
they are freed, and the kernel fills each page of the next ones with zeros: up to 200,000 pages a
frame of ``fusion_r18``. docs/speed.md has what that takes.
"""

import ctypes
import os
from collections.abc import Callable

OPTIONS = {
    "mmap_max": (-4, 0, "MALLOC_MMAP_MAX_"),  # blocks of any size come from the heap,
    "trim_threshold": (-1, -1, "MALLOC_TRIM_THRESHOLD_"),  # whose end is not given back,
    "arena_max": (-8, 1, "MALLOC_ARENA_MAX"),  # and all threads share it: others are trimmed.
}
"""Option of malloc -> its number for mallopt(3), a value, and the variable that sets it."""


def keep_freed_memory() -> None:
    """Let malloc keep what is freed: for a process that makes frame after frame.

    To be called before there are other threads: those that have an arena of their own keep it. An
    option that the environment sets stays as it is. Without glibc nothing happens.
    """
    if mallopt := _of_libc("mallopt"):
        tunables = os.environ.get("GLIBC_TUNABLES", "")
        for name, (option, value, variable) in OPTIONS.items():
            if variable not in os.environ and f"glibc.malloc.{name}=" not in tunables:
                mallopt(option, value)


def give_back_freed_memory() -> None:
    """Give all that is free back to the kernel, once: behind work that will not come again."""
    if malloc_trim := _of_libc("malloc_trim"):
        malloc_trim(0)


def _of_libc(name: str) -> Callable[..., int] | None:
    """Return a function of glibc, or None."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
