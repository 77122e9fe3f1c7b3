# SPDX-License-Identifier: Apache-2.0
"""Label budgets: the few scenes, frames or voxels whose labels a network may learn from."""

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.files import whole_file
from effocc_ros.plain_files import read_json

SEED = 42
"""Seed of EFFOcc's draw, the same for teacher and student: both know the same labels."""
MOST_BYTES = 1 << 30
"""Of a file: 28,000 samples with 4,000 voxels each."""
KINDS = ("scenes", "frames", "voxels")
"""What a budget counts."""


def labeled_scenes(tokens: Iterable[str], fraction: float) -> frozenset[str]:
    """Draw the scenes that count as labeled, as EFFOcc draws them.

    Of the 700 training scenes, 5 % are 35, 10 % are 70, and so on; at least one.

    Args:
        tokens: Tokens of all training scenes; their order does not matter.
        fraction: Part of them, above 0 and up to 1.

    Raises:
        InputError: The fraction is outside of this.
    """
    if not 0.0 < fraction <= 1.0:
        raise InputError(
            "labeled_fraction",
            found=str(fraction),
            expected="a number above 0 and up to 1, such as 0.05 for 5 % of the scenes",
            reason="bad_fraction",
        )
    ordered = sorted(set(tokens))
    count = min(max(round(fraction * len(ordered)), 1), len(ordered))
    return frozenset(random.Random(SEED).sample(ordered, count))


@dataclass(frozen=True, eq=False)
class LabelBudget:
    """Labels that were paid for, one by one; all others stay hidden.

    Attributes:
        kind: ``scenes``, ``frames`` or ``voxels``: which one of the next three fields is filled.
        scenes: Tokens of scenes of which every sample is labeled.
        frames: Tokens of samples that are labeled.
        voxels: Sample token -> (K,) int32 labeled voxels of it, flat into (Dx, Dy, Dz) in C order.
            Samples that are not named have no labels.
        about: How it was chosen, in words and numbers that JSON knows; nothing reads it.

    Raises:
        InputError: No such kind, nothing is labeled, or a voxel is negative or comes twice.
    """

    kind: str
    scenes: frozenset[str] = frozenset()
    frames: frozenset[str] = frozenset()
    voxels: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        if self.kind not in KINDS:
            raise _bad("label budget", f"kind {self.kind!r}", f"one of {', '.join(KINDS)}")
        for kind in KINDS:
            if bool(getattr(self, kind)) != (kind == self.kind):
                found = f"{len(getattr(self, kind))} {kind} in a budget of {self.kind}"
                raise _bad("label budget", found, f"{self.kind}, at least one, and nothing else")
        for token, voxels in self.voxels.items():
            if len(voxels) and (voxels.min() < 0 or len(np.unique(voxels)) < len(voxels)):
                found = "a negative voxel" if voxels.min() < 0 else "a voxel that comes twice"
                raise _bad(f"label budget, sample {token}", found, "each voxel once, from 0")

    def is_labeled(self, sample: str, scene: str) -> bool:
        """Return whether the sample of a token, in the scene of a token, shows labels."""
        return (scene if self.kind == "scenes" else sample) in getattr(self, self.kind)

    def shown(self, sample: str, shape: tuple[int, int, int]) -> NDArray[np.bool_] | None:
        """Return which voxels of a labeled sample are shown, (Dx, Dy, Dz); None for all.

        Raises:
            InputError: The budget names a voxel that a grid of this shape has not.
        """
        if self.kind != "voxels":
            return None
        voxels, count = self.voxels[sample], int(np.prod(shape))
        if len(voxels) and voxels.max() >= count:
            what, found = f"label budget, sample {sample}", f"voxel {voxels.max()}"
            raise _bad(what, found, f"voxels below {count}, for the grid has {shape}")
        mask = np.zeros(count, bool)
        mask[voxels] = True
        return mask.reshape(shape)

    def check_known(self, samples: Iterable[str], scenes: Iterable[str], where: str) -> None:
        """Raise InputError if a token of the budget is none of these.

        Args:
            samples: Tokens of the samples that there are.
            scenes: Tokens of their scenes.
            where: What they belong to, for the error.
        """
        known = set(scenes if self.kind == "scenes" else samples)
        unknown = sorted(set(getattr(self, self.kind)) - known)
        if unknown:
            kind = "scene" if self.kind == "scenes" else "sample"
            raise InputError(
                "label budget",
                found=f"{len(unknown)} tokens of no {kind} there, such as {unknown[0]!r}",
                expected=f"tokens of {where}",
                do="Choose the budget from the split that it is used with",
                reason="unknown_token",
            )


def write_budget(path: Path | str, budget: LabelBudget) -> None:
    """Write a budget as JSON.

    Raises:
        InputError: The file cannot be written.
    """
    values = {
        "kind": budget.kind,
        "scenes": sorted(budget.scenes),
        "frames": sorted(budget.frames),
        "voxels": {token: voxels.tolist() for token, voxels in budget.voxels.items()},
        "about": dict(budget.about),
    }
    with whole_file(path) as partial:
        partial.write_text(json.dumps({key: value for key, value in values.items() if value}))


def read_budget(path: Path | str) -> LabelBudget:
    """Read a budget from JSON.

    The file holds ``{"kind": "scenes" | "frames" | "voxels", "scenes": [tokens], "frames":
    [tokens], "voxels": {sample token: [flat indices]}, "about": {...}}``; what is empty may be
    left out.

    Raises:
        InputError: It is absent, or no budget; the file is named.
    """
    what = f"label budget {path}"
    try:
        values = read_json(path, MOST_BYTES)
    except OSError as error:
        raise _bad(what, error.strerror or str(error), "a file of `effocc select`") from error
    except ValueError as error:
        raise _bad(what, f"no JSON ({error})", "a file of `effocc select`") from error
    if not isinstance(values, dict) or not isinstance(values.get("kind"), str):
        raise _bad(what, "no kind of budget", "a file of `effocc select`")
    unknown = set(values) - {"kind", "about", *KINDS}
    if unknown:
        raise _bad(what, f"unknown {', '.join(sorted(unknown))}", "the fields of LabelBudget")
    if not isinstance(values.get("about", {}), dict):
        raise _bad(what, "something else in place of about", "words and numbers by name")
    try:
        return LabelBudget(
            kind=values["kind"],
            scenes=_tokens(what, values.get("scenes", [])),
            frames=_tokens(what, values.get("frames", [])),
            voxels=_voxels(what, values.get("voxels", {})),
            about=values.get("about", {}),
        )
    except InputError as error:
        if error.what.startswith(what):
            raise
        raise _bad(f"file {path}, {error.what}", error.found, error.expected) from error


def _tokens(what: str, values: Any) -> frozenset[str]:
    if not isinstance(values, list) or not all(isinstance(token, str) for token in values):
        raise _bad(what, "something else in place of tokens", "a list of tokens")
    return frozenset(values)


def _voxels(what: str, values: Any) -> dict[str, NDArray[np.int32]]:
    if not isinstance(values, dict):
        raise _bad(what, f"voxels as {type(values).__name__}", "sample token -> list of indices")
    voxels = {}
    for token, indices in values.items():
        most = np.iinfo(np.int32).max
        if not isinstance(indices, list) or not all(
            type(index) is int and abs(index) <= most for index in indices
        ):
            raise _bad(what, f"no list of indices for sample {token}", "whole numbers from 0")
        voxels[token] = np.array(indices, np.int32)
    return voxels


def _bad(what: str, found: str, expected: str) -> InputError:
    return InputError(what, found=found, expected=expected, reason="bad_budget")
