# SPDX-License-Identifier: Apache-2.0
"""Real processes: one that is stopped goes on as if it had not been; two do not mix."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from helpers.training_tree import VERSION, make_training_tree, very_small, write_preset

from effocc_ros.checkpoints import load_checkpoint
from effocc_ros.training.config_files import load_config
from effocc_ros.training.metrics import read_metrics
from effocc_ros.training.run_folder import open_run_folder

REPOSITORY = Path(__file__).resolve().parents[2]
STEPS = 12
NAMES = ("whole", "stopped")


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resume")
    preset = write_preset(folder, very_small("lidar"))
    # Three samples in batches of two: an epoch is one step, its order its own.
    make_training_tree(folder / "data", scenes=2, samples=3)
    values = {
        "preset": preset,
        "root": folder / "data",
        "version": VERSION,
        "batch_size": 2,
        "max_steps": STEPS,
        "warmup_steps": 4,
        "schedule": "cosine",
        "columns": 0.1,
        "workers": 1,
        "log_every": 1,
        "val_split": "''",
        "device": "cpu",
        "augmentation": "{flip_x: 0.5}",
    }
    path = folder / "small.yaml"
    path.write_text("".join(f"{name}: {value}\n" for name, value in values.items()))
    return [sys.executable, "-m", "effocc_ros.cli", "train", str(path)]


def start(command, out, **options):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        [*command, f"out={out}"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def rows(out, names=("step", "lr", "loss", "gradient")):
    return [[row[name] for name in names] for row in read_metrics(out / "metrics.csv")]


def wait_for_rows(out, count, process):
    while len(rows(out)) < count:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)


@pytest.mark.timeout(600)  # three processes that import torch
def test_a_training_that_is_told_to_stop_goes_on_with_equal_bits(command, tmp_path):
    whole = start(command, tmp_path / "whole")
    stopped = start(command, tmp_path / "stopped", start_new_session=True)
    wait_for_rows(tmp_path / "stopped", 2, stopped)
    os.killpg(stopped.pid, signal.SIGTERM)  # Its loader's workers hear it, too.
    said = stopped.communicate()[1]
    assert stopped.returncode == 128 + signal.SIGTERM, said
    assert "the same command goes on" in said
    done = len(rows(tmp_path / "stopped"))
    assert 2 <= done <= STEPS - 5
    again = start(command, tmp_path / "stopped")
    assert again.wait() == whole.wait() == 0
    found, expected = rows(tmp_path / "stopped"), rows(tmp_path / "whole")
    assert [row[0] for row in expected] == list(range(1, STEPS + 1))
    assert found == expected
    weights = [load_checkpoint(tmp_path / name / "last.safetensors")[1] for name in NAMES]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_a_second_process_in_the_same_folder_is_refused(command, tmp_path):
    config = load_config(command[-1], [f"out={tmp_path / 'run'}"])
    with open_run_folder(config):
        second = start(command, tmp_path / "run")
        said = second.communicate()[1]
    assert second.returncode == 2
    assert "another process that writes there" in said
