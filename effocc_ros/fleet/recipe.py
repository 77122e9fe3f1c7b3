# SPDX-License-Identifier: Apache-2.0
"""What an output is made of, so that a change of it is noticed."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from effocc_ros import __version__
from effocc_ros.bags.folder import bag_files
from effocc_ros.checkpoints import shipped_checkpoint
from effocc_ros.errors import InputError
from effocc_ros.loaded_model import unknown_model
from effocc_ros.presets import FOLDER as PRESETS
from effocc_ros.presets import preset_names
from effocc_ros.resources import resource_path
from effocc_ros.rig import load_rig
from effocc_ros.rig_guess import MODELS

Recipe = Mapping[str, str]
"""Ingredient -> what it was, for comparison and for readers."""

FOUND = "found from the bag"
"""What is said of a rig or model that was not named."""


def input_of(bag: Path) -> str:
    """Describe a bag by names, sizes and times of its files: their bytes are too many to read."""
    try:
        files = bag_files(bag).paths
        states = [(path.name, path.stat()) for path in files]
    except (InputError, OSError):
        return "cannot be read"
    digest = hashlib.sha256()
    for name, state in states:
        digest.update(f"{name} {state.st_size} {state.st_mtime_ns}\n".encode())
    size = sum(state.st_size for _, state in states)
    plural = "" if len(files) == 1 else "s"
    return f"{len(files)} file{plural}, {size} bytes, {digest.hexdigest()[:12]}"


def rig_of(name: str | None) -> str:
    """Describe a rig: its values, and the bytes of its calibration file."""
    if not name:
        return FOUND
    rig = load_rig(name)
    calibration = rig.calibration.read_bytes() if rig.calibration else b""
    return f"{rig.name} {hashlib.sha256(repr(rig).encode() + calibration).hexdigest()[:12]}"


def model_of(name: str | None) -> str:
    """Describe a model by the bytes of its checkpoint, or of its preset where there is none.

    Raises:
        InputError: There is no such preset or file.
    """
    if name:
        path = model_file(name)
        return f"{path.stem} {_digest(path)}"
    digests = "".join(_digest(model_file(each)) for each in MODELS.values())
    return f"{FOUND} {hashlib.sha256(digests.encode()).hexdigest()[:12]}"


def version() -> str:
    """Return the version of this package."""
    return __version__


def differences(then: Recipe, now: Recipe) -> str:
    """Say which ingredients of two recipes differ; nothing where none does."""
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    return "; ".join(
        f"{name}: {then.get(name, 'unknown')} then, {now.get(name, 'unknown')} now"
        for name in names
    )


def model_file(name: str) -> Path:
    """Return the checkpoint that a name or a path stands for, or the preset that has none.

    Raises:
        InputError: There is no such preset or file.
    """
    if name in preset_names():
        return shipped_checkpoint(name) or resource_path(PRESETS) / f"{name}.yaml"
    if not Path(name).is_file():
        raise unknown_model(name)
    return Path(name)


@cache
def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:12]
