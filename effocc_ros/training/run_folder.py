# SPDX-License-Identifier: Apache-2.0
"""The folder of a training: who may write there, and what stands in it.

- ``config.yaml``: the training's config
- ``run.json``: code version, seed, machine, and what teacher and budget were
- ``metrics.csv``, ``tensorboard/``, ``curves.png``: how it went
- ``best.safetensors``, ``last.safetensors``: averaged weights with a model card
- ``state/``: all that is needed to go on
"""

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

import effocc_ros
from effocc_ros.checkpoints import shipped_checkpoint
from effocc_ros.errors import InputError
from effocc_ros.files import clear_partial_files, only_writer, whole_file
from effocc_ros.plain_files import read_json
from effocc_ros.presets import preset_names
from effocc_ros.training.config import TrainConfig
from effocc_ros.training.config_files import config_from_mapping, config_to_mapping
from effocc_ros.typed_values import read_mapping

FILES = "files"
"""Where run.json says what teacher and budget were."""

MAY_CHANGE = (
    "name",
    "out",
    "root",
    "max_steps",
    "epochs",
    "max_minutes",
    "device",
    "devices",
    "num_nodes",
    "workers",
    "log_every",
    "val_every",
    "val_limit",
    "checkpoint_every",
    "checkpoint_minutes",
    "half_weights",
    "logit_adjustment",
    "training_data",
    "licence",
    "notes",
)
"""Fields in which a training may differ from the one that it goes on with."""


@dataclass(frozen=True)
class RunFolder:
    """Where the files of a training are.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The training's config."""
        return self.path / "config.yaml"

    @property
    def state(self) -> Path:
        """All that is needed to go on."""
        return self.path / "state" / "state.pt"

    @property
    def labels(self) -> Path:
        """Statistics of the training labels."""
        return self.path / "state" / "labels.npz"

    @property
    def metrics(self) -> Path:
        """A row for every few steps, and for every evaluation."""
        return self.path / "metrics.csv"

    @property
    def about(self) -> Path:
        """What a reader of the results must know."""
        return self.path / "run.json"

    @property
    def curves(self) -> Path:
        """The metrics as a picture."""
        return self.path / "curves.png"

    @property
    def best(self) -> Path:
        """The averaged weights that scored best."""
        return self.path / "best.safetensors"

    @property
    def last(self) -> Path:
        """The newest averaged weights."""
        return self.path / "last.safetensors"


@contextmanager
def open_run_folder(config: TrainConfig) -> Iterator[RunFolder]:
    """Make a training's folder or open that of the same training, as its only writer.

    Raises:
        InputError: Another process writes there, another training is there, or the folder holds
            something else.
    """
    folder = RunFolder(config.folder)
    _check_folder(folder, config)
    with only_writer(folder.path / "state" / "lock"):
        clear_partial_files(folder.path)
        with whole_file(folder.config) as partial:
            partial.write_text(yaml.safe_dump(config_to_mapping(config), sort_keys=False))
        with whole_file(folder.about) as partial:
            partial.write_text(json.dumps(about_run(config), indent=1) + "\n")
        yield folder


def _digests(config: TrainConfig) -> dict[str, str]:
    """Return SHA-256 of the files that are asked as long as the training lasts, by field."""
    files = {"budget": Path(config.budget), "teacher": Path(config.teacher)}
    if config.teacher in preset_names():
        files["teacher"] = shipped_checkpoint(config.teacher) or files["teacher"]
    return {
        name: hashlib.sha256(file.read_bytes()).hexdigest()
        for name, file in files.items()
        if file.is_file()
    }


def about_run(config: TrainConfig) -> dict[str, Any]:
    """Return what a reader of the results must know of code, seed and machine."""
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    return {
        "effocc_ros": effocc_ros.__version__,
        "commit": _commit(),
        "seed": config.seed,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(number) for number in gpus],
        "python": platform.python_version(),
        "torch": torch.__version__,
        FILES: _digests(config),
    }


def _check_folder(folder: RunFolder, config: TrainConfig) -> None:
    """Refuse a folder that is not this training's."""
    if not folder.config.is_file():
        strangers = [file.name for file in folder.path.glob("*") if file.name != "state"]
        if strangers:
            raise InputError(
                f"run folder {folder.path}",
                found=f"{len(strangers)} files, such as {min(strangers)}, and no config.yaml",
                expected="an empty folder, or that of the same training",
                do="Choose another one with out=FOLDER",
                reason="busy_output",
            )
        return
    if not folder.state.is_file() and not folder.metrics.is_file():
        return  # It ended before its first step, of which nothing is worth keeping.
    there = config_from_mapping(
        read_mapping(folder.config, f"run folder {folder.path}"), f"config {folder.config}"
    )
    ours, theirs = config_to_mapping(config), config_to_mapping(there)
    for name, value in ours.items():
        if name not in MAY_CHANGE and theirs[name] != value:
            raise InputError(
                f"run folder {folder.path}",
                found=f"a training with {name}={theirs[name]}",
                expected=f"{name}={value}, or an empty folder",
                do="Choose another folder with out=FOLDER, or the same values to go on",
                reason="other_run",
            )
    _check_files(folder, config)


def _check_files(folder: RunFolder, config: TrainConfig) -> None:
    """Refuse to go on with another teacher or budget under the same name."""
    try:
        known = read_json(folder.about)[FILES]
    except (InputError, ValueError, TypeError, KeyError, OSError):
        return  # Nobody wrote down what they were.
    if not isinstance(known, dict):
        return
    for name, digest in _digests(config).items():
        if known.get(name, digest) != digest:
            raise InputError(
                f"{name} {getattr(config, name)}",
                found="another file than the training began with",
                expected=f"the one with the SHA-256 {known[name]}",
                do="Put it back, or choose another folder with out=FOLDER",
                reason="other_run",
            )


def _commit() -> str:
    """Return the commit of the source checkout, or nothing where there is none."""
    root = Path(effocc_ros.__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
