# SPDX-License-Identifier: Apache-2.0
"""Freed memory is kept: the kernel need not fill its pages with zeros again."""

import ctypes
import os
import platform
import subprocess
import sys

import pytest

from effocc_ros import memory

FRAMES = """
import ctypes
import resource
import sys
import threading
from pathlib import Path

from effocc_ros.memory import give_back_freed_memory, keep_freed_memory

ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # no huge pages: they would be few for any size
if sys.argv[1] == "keep":
    keep_freed_memory()
import torch

torch.set_num_threads(1)


def new_bytes():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        small, large = torch.ones(500_000), torch.ones(10_000_000)
    pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    return pages * resource.getpagesize()


def frames():
    print(min(new_bytes() for _ in range(8)))  # The heap grows in the first ones.


def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if sys.argv[2] == "thread":
    thread = threading.Thread(target=frames)
    thread.start()
    thread.join()
else:
    frames()
before = held()
give_back_freed_memory()
print(before - held())
"""
FRAME = 42_000_000
"""Bytes of a frame; there are five."""

on_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc's malloc has options"
)


def run(keep: str, where: str) -> tuple[int, int]:
    """Return the bytes of new pages that five frames take, and those given back in the end."""
    set_already = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(set_already)}
    command = [sys.executable, "-c", FRAMES, keep, where]
    said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return tuple(map(int, said.stdout.split()))


@on_glibc
@pytest.mark.parametrize("where", ["main", "thread"])
def test_a_frame_takes_no_new_pages_until_all_that_is_free_is_given_back(where):
    assert run("plain", where)[0] > 4 * FRAME, "nothing had to be done"
    new, given_back = run("keep", where)
    assert new < FRAME / 100
    assert given_back > FRAME / 2


@pytest.mark.parametrize(
    ("variable", "value", "left_alone"),
    [
        (None, None, None),
        ("MALLOC_MMAP_MAX_", "65536", "mmap_max"),
        ("MALLOC_TRIM_THRESHOLD_", "131072", "trim_threshold"),
        ("MALLOC_ARENA_MAX", "8", "arena_max"),
        ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=3:glibc.malloc.arena_max=8", "arena_max"),
    ],
)
def test_what_the_environment_sets_is_left_alone(monkeypatch, variable, value, left_alone):
    for name in ("GLIBC_TUNABLES", *(each for *_, each in memory.OPTIONS.values())):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, value)
    found = []
    monkeypatch.setattr(memory, "_of_libc", lambda name: lambda *given: found.append(given))
    memory.keep_freed_memory()
    assert found == [v[:2] for name, v in memory.OPTIONS.items() if name != left_alone]


def test_without_glibc_nothing_happens(monkeypatch):
    def absent(name):
        raise OSError("no such library")

    for library in (absent, lambda name: object()):  # the second one has no such functions
        monkeypatch.setattr(ctypes, "CDLL", library)
        memory.keep_freed_memory()
        memory.give_back_freed_memory()
