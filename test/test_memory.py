# SPDX-License-Identifier: Apache-2.0
"""Freed memory is kept: the kernel need not fill its pages with zeros again."""

import ctypes
import os
import platform
import subprocess
import sys

import pytest

from effocc_ros.memory import keep_freed_memory

FRAMES = """
import resource
import sys
import threading

from effocc_ros.memory import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
import torch

torch.set_num_threads(1)


def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        small, large = torch.ones(500_000), torch.ones(10_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def frames():
    print(min(faults() for _ in range(8)))  # The heap grows in the first ones.


if sys.argv[2] == "thread":
    thread = threading.Thread(target=frames)
    thread.start()
    thread.join()
else:
    frames()
"""
FEW = 100
MANY = 10_000


def faults(keep: str, where: str, **variables: str) -> int:
    """Return how many new pages five frames of 42 MB take in the end."""
    run = subprocess.run(
        [sys.executable, "-c", FRAMES, keep, where],
        env=os.environ | variables,
        check=True,
        capture_output=True,
        text=True,
    )
    return int(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc has options")
@pytest.mark.parametrize("where", ["main", "thread"])
def test_a_frame_takes_no_new_pages(where):
    assert faults("plain", where) > MANY, "nothing had to be done"
    assert faults("keep", where) < FEW


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc has options")
def test_what_the_environment_says_holds():
    said = {"MALLOC_MMAP_MAX_": "65536", "MALLOC_MMAP_THRESHOLD_": "1000000"}
    assert faults("keep", "main", **said) > MANY


def test_without_glibc_nothing_happens(monkeypatch):
    def absent(name):
        raise OSError("no such library")

    for library in (absent, lambda name: object()):  # the second one has no mallopt
        monkeypatch.setattr(ctypes, "CDLL", library)
        keep_freed_memory()
