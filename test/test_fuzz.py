# SPDX-License-Identifier: Apache-2.0
"""A few changed files of each kind; `make fuzz` reads thousands."""

import os
import subprocess
import sys

import pytest

KINDS = ("safetensors", "pth", "pth, protocol 4", "YAML", "npz, npy", "JSON tables", "bag, MCAP")


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as Linux tells it")
def test_changed_files_end_in_a_refusal_or_in_what_can_be_read(repository):
    command = [sys.executable, "-m", "fuzz", "--seeds", "6", "--seconds", "4", "--kinds", *KINDS]
    done = subprocess.run(
        command,
        cwd=repository / "test",
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split("  ")[0] for line in done.stdout.splitlines()[1:-1]] == [*KINDS]
