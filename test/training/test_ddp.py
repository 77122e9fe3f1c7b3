# SPDX-License-Identifier: Apache-2.0
"""torchrun with two processes against one process with the same global batch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.training_tree import VERSION, make_training_tree, very_small, write_preset

from effocc_ros.training.metrics import read_metrics
from effocc_ros.training.run_state import load_state

REPOSITORY = Path(__file__).resolve().parents[2]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def run(start, values):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    command = [*start, "-m", "effocc_ros.cli", "train", *values]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    """Five training samples, three to judge on: neither divides by two.

    The samples' masks differ in size, so that the mean of two processes' means is not the mean of
    all voxels. Batch normalisations are frozen: each process's own statistics would differ.
    """
    folder = tmp_path_factory.mktemp("ddp")
    preset = write_preset(folder, very_small("lidar"))
    make_training_tree(folder / "data", scenes=2, samples=5)
    values = {
        "preset": preset,
        "root": folder / "data",
        "version": VERSION,
        "batch_size": 4,
        "max_steps": 3,
        "warmup_steps": 0,
        "schedule": "constant",
        "lr": 0.003,
        "columns": 0.2,
        "freeze_norm": "true",
        "workers": 0,
        "log_every": 1,
        "val_limit": 3,
        "device": "cpu",
    }
    path = folder / "small.yaml"
    path.write_text("".join(f"{name}: {value}\n" for name, value in values.items()))
    return [str(path)]


@pytest.mark.timeout(600)  # four processes that import torch
def test_two_processes_give_the_losses_and_weights_of_one(values, tmp_path):
    one = run([sys.executable], [*values, f"out={tmp_path / 'one'}"])
    two = run(TORCHRUN, [*values, "accumulate=2", f"out={tmp_path / 'two'}"])
    assert (one.returncode, two.returncode) == (0, 0), two.stderr
    found, expected = (read_metrics(tmp_path / name / "metrics.csv") for name in ("two", "one"))
    assert [row["step"] for row in expected] == [1, 2, 3, 3]
    for name in ("loss", "gradient", "val_miou", "val_geometric_iou"):
        theirs = [row[name] for row in expected if name in row]
        assert [row[name] for row in found if name in row] == pytest.approx(theirs, rel=2e-6), name
    states = [
        load_state(tmp_path / name / "state" / "state.pt").student for name in ("two", "one")
    ]
    for name, value in states[1].items():
        assert (states[0][name] - value).abs().max() < 1e-5, name
    assert two.stdout.count("trained 3 steps") == 1
