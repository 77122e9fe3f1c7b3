# SPDX-License-Identifier: Apache-2.0
"""What `effocc evaluate` does."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from effocc_ros.datasets.sample import LabelSpace
from effocc_ros.errors import InputError
from effocc_ros.evaluation import report as reports
from effocc_ros.evaluation.chart import write_bar_chart
from effocc_ros.evaluation.corruptions import Corruption
from effocc_ros.evaluation.counts import Part, merged_parts, write_part
from effocc_ros.evaluation.evaluate import Scores
from effocc_ros.evaluation.guess import NAME, SAMPLES, Guess, learn_guess, training_split
from effocc_ros.evaluation.presence import LeftOut, present
from effocc_ros.evaluation.robustness import (
    UNHARMED,
    Robustness,
    Row,
    robustness_mapping,
    robustness_report,
    robustness_table,
)
from effocc_ros.evaluation.scoring import Split, open_split, score_by_fleet
from effocc_ros.fleet.crew import Crew
from effocc_ros.fleet.recipe import Recipe, model_of, version
from effocc_ros.fleet.shard import Shard, shard_from_text
from effocc_ros.loaded_model import LoadedModel, load_model
from effocc_ros.predictor import Predictor
from effocc_ros.progress import with_progress


def evaluate_split(arguments: argparse.Namespace) -> None:
    """Score a model on a split as the options of `effocc evaluate` say.

    Raises:
        InputError: Model, data set and options do not fit each other, or a file is broken.
    """
    shard = shard_from_text(arguments.shard)
    model = load_model(arguments.model)
    split = Split.opened(arguments, model.config, model.name)
    # Before hours of work, not after them.
    arguments.out.mkdir(parents=True, exist_ok=True)
    guess = None if arguments.no_baseline else _guess(arguments, split.space)
    left_out = LeftOut(len(split.dataset))
    positions = present(split.dataset, arguments.limit, left_out)
    recipe = _recipe(arguments, len(positions), guess)
    weights = "" if model.trained else " (random weights)"
    title = f"{model.name}{weights}, {arguments.dataset} {arguments.split}"
    scores = _scores(arguments, split, model, guess, shard.of(positions), left_out)
    if shard.count > 1:
        part = _together(arguments.out, shard, split.space, Part(recipe, scores, left_out.broken))
        if part is None:
            return
        scores, left_out.broken = part.scores, list(part.broken)
    if not scores[UNHARMED].confusion.frames:
        raise left_out.broken[0]
    if str(left_out):
        print(left_out)
    masked = title + f", mask {split.mask}" * (split.mask != "none")
    _publish_scores(arguments, scores, guess, title, masked)
    if split.corruptions:
        path = arguments.out / "robustness"
        _publish_robustness(path, scores, guess, split.corruptions, masked)


def _scores(
    arguments: argparse.Namespace,
    split: Split,
    model: LoadedModel,
    guess: Guess | None,
    positions: list[int],
    left_out: LeftOut,
) -> dict[str, Scores]:
    """Score by one network that others read and count for, or by many networks."""
    if positions and (arguments.predictors or arguments.ray):
        crew = Crew(arguments.predictors, arguments.threads, arguments.device, arguments.ray)
        return score_by_fleet(arguments, guess, positions, left_out, crew)
    with (
        Predictor(model, arguments.device, arguments.precision) as predictor,
        split.readers(arguments.workers, len(positions)) as pool,
    ):
        return split.score(predictor, guess, positions, left_out, pool=pool, progress=True)


def _recipe(arguments: argparse.Namespace, samples: int, guess: Guess | None) -> Recipe:
    """Return what parts of one run have in common."""
    names = ("dataset", "split", "version", "limit", "mask", "rayiou", "corrupt", "precision")
    options = {name: str(getattr(arguments, name)) for name in names}
    return {
        "model": model_of(arguments.model),
        **options,
        "samples": str(samples),
        "baseline": guess.title if guess else "none",
        "effocc_ros": version(),
    }


def _together(folder: Path, shard: Shard, space: LabelSpace, part: Part) -> Part | None:
    """Write a job's counts; return those of all jobs if this was the last one."""
    path = write_part(folder, shard, part)
    merged = merged_parts(folder, shard.count, space, part.recipe)
    if isinstance(merged, Part):
        return merged
    numbers = ", ".join(map(str, merged[:10])) + ", ..." * (len(merged) > 10)
    print(
        f"written: {path}; the scores come with the last of the {shard.count} shards ({numbers})"
    )
    return None


def _guess(arguments: argparse.Namespace, space: LabelSpace) -> Guess | None:
    """Make the guess without sensors; say why where that is not possible."""
    split = training_split(arguments.split)
    try:
        dataset = open_split(arguments, split, {"cameras": (), "lidar": False})
        positions = present(dataset, SAMPLES, LeftOut(len(dataset)))
        bar = with_progress(positions, len(positions), what=NAME, unit="label")
        return learn_guess((dataset[position].truth for position in bar), space)
    except InputError as error:
        print(f"no baseline, for the split {split} cannot be read: {error}")
        return None


def _publish_scores(
    arguments: argparse.Namespace,
    scores: dict[str, Scores],
    guess: Guess | None,
    title: str,
    masked: str,
) -> None:
    ours, theirs = scores[UNHARMED], scores.get(reports.GUESS)
    is_openoccupancy = arguments.dataset == "openoccupancy"
    make = reports.openoccupancy_report if is_openoccupancy else reports.miou_report
    baseline = None if theirs is None else make(theirs.confusion, guess.title)
    _publish(arguments.out / "scores", make(ours.confusion, masked), baseline)
    if ours.rays is not None:
        make = reports.rayiou_report
        baseline = None if theirs is None else make(theirs.rays, guess.title)
        _publish(arguments.out / "rayiou", make(ours.rays, title), baseline)


def _publish(path: Path, scores: reports.Report, baseline: reports.Report | None) -> None:
    print(reports.text_table(scores, baseline), flush=True)
    if baseline is None:
        print("no baseline beside these scores")
    reports.write_json(path.with_suffix(".json"), scores, baseline)
    write_bar_chart(path.with_suffix(".png"), scores, baseline)
    print(f"written: {path}.json, {path}.png\n")


def _publish_robustness(
    path: Path,
    scores: dict[str, Scores],
    guess: Guess | None,
    corruptions: Sequence[Corruption],
    title: str,
) -> None:
    rows = [Row.of(UNHARMED, "", scores[UNHARMED])]
    rows += [Row.of(some.name, some.said, scores.get(some.name)) for some in corruptions]
    if guess is not None:
        rows.append(Row.of(reports.GUESS, guess.title, scores[reports.GUESS]))
    robustness = Robustness(title, rows, scores[UNHARMED].confusion.frames)
    print(robustness_table(robustness), flush=True)
    reports.write_mapping(path.with_suffix(".json"), robustness_mapping(robustness))
    write_bar_chart(path.with_suffix(".png"), robustness_report(robustness))
    print(f"written: {path}.json, {path}.png\n")
