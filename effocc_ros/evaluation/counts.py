# SPDX-License-Identifier: Apache-2.0
"""Counts of the parts of a split that several jobs scored, on disk until all are there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from effocc_ros.datasets.sample import LabelSpace
from effocc_ros.errors import InputError
from effocc_ros.evaluation.evaluate import Scores
from effocc_ros.evaluation.miou import Confusion
from effocc_ros.evaluation.rayiou import RayCounts
from effocc_ros.evaluation.report import write_mapping
from effocc_ros.fleet.recipe import Recipe, differences
from effocc_ros.fleet.shard import Shard
from effocc_ros.plain_files import read_json

RAYS = ("hits", "truth", "prediction", "flow_error", "flow_hits")


@dataclass(frozen=True)
class Part:
    """What one job counted.

    Attributes:
        recipe: What it scored and how; parts of another run have another one.
        scores: By name.
        broken: Why samples could not be read.
    """

    recipe: Recipe
    scores: Mapping[str, Scores]
    broken: Sequence[InputError] = ()


def write_part(folder: Path, shard: Shard, part: Part) -> Path:
    """Write the counts of one job, whole or not at all; return where."""
    path = _path(folder, shard)
    mapping = {
        "recipe": dict(part.recipe),
        "scores": {name: _scores_mapping(scores) for name, scores in part.scores.items()},
        "broken": [
            {name: getattr(error, name) for name in ("what", "found", "expected", "do", "reason")}
            for error in part.broken
        ],
    }
    write_mapping(path, mapping)
    return path


def merged_parts(folder: Path, count: int, space: LabelSpace, recipe: Recipe) -> Part | list[int]:
    """Add the counts of all jobs up.

    Args:
        folder: Where they were written.
        count: How many jobs there are.
        space: What the labels mean.
        recipe: What all of them shall have scored.

    Returns:
        The sum; or, where some are not there yet, their numbers.

    Raises:
        InputError: A part is of another run, or its file is broken.
    """
    shards = [Shard(number + 1, count) for number in range(count)]
    missing = [shard.number for shard in shards if not _path(folder, shard).is_file()]
    if missing:
        return missing
    totals: dict[str, Scores] = {}
    broken: list[InputError] = []
    for shard in shards:
        part = _read(_path(folder, shard), space, recipe)
        for name, scores in part.scores.items():
            totals[name] = totals[name].joined(scores) if name in totals else scores
        broken += part.broken
    return Part(recipe, totals, broken)


def _path(folder: Path, shard: Shard) -> Path:
    return folder / f"{shard.name('counts')}.json"


def _read(path: Path, space: LabelSpace, recipe: Recipe) -> Part:
    try:
        values = read_json(path)
        scores = {name: _scores(each, space) for name, each in values["scores"].items()}
        broken = [InputError(error.pop("what"), **error) for error in map(dict, values["broken"])]
        part = Part(values["recipe"], scores, broken)
        other = differences(part.recipe, recipe)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"counts {path}",
            found=f"{type(error).__name__}: {error}",
            expected="what `effocc evaluate --shard` writes",
            do="Remove the file, and run that shard again",
            reason="bad_counts",
        ) from error
    if other:
        raise InputError(
            f"counts {path}",
            found=f"those of another run ({other})",
            expected="parts of one run",
            do="Run that shard again with the same options, or choose another --out",
            reason="made_otherwise",
        )
    return part


def _scores_mapping(scores: Scores) -> dict[str, Any]:
    confusion, rays = scores
    mapping: dict[str, Any] = {"frames": confusion.frames, "confusion": confusion.counts.tolist()}
    if rays is not None:
        mapping["rays"] = {name: getattr(rays, name).tolist() for name in RAYS}
    return mapping


def _scores(values: Mapping[str, Any], space: LabelSpace) -> Scores:
    empty = Scores.empty(space, "rays" in values)
    frames = int(values["frames"])
    counts = _like(empty.confusion.counts, values["confusion"])
    confusion = Confusion(space.classes, counts, frames)
    if empty.rays is None:
        return Scores(confusion, None)
    arrays = {name: _like(getattr(empty.rays, name), values["rays"][name]) for name in RAYS}
    return Scores(confusion, RayCounts(space.classes, **arrays, frames=frames))


def _like(empty: np.ndarray, values: Any) -> np.ndarray:
    array = np.array(values, empty.dtype)
    if array.shape != empty.shape:
        raise ValueError(f"an array of shape {array.shape}, not {empty.shape}")
    return array
