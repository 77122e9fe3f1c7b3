# SPDX-License-Identifier: Apache-2.0
"""What `effocc evaluate` does."""

import argparse
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from torch.utils.data import Dataset

from effocc_ros.datasets.benchmarks import label_space, open_dataset
from effocc_ros.datasets.nuscenes_dataset import NuscenesDataset
from effocc_ros.datasets.nuscenes_frames import SweepChoice
from effocc_ros.datasets.sample import LabelSpace, Sample
from effocc_ros.errors import InputError
from effocc_ros.evaluation import report as reports
from effocc_ros.evaluation.chart import write_bar_chart
from effocc_ros.evaluation.cli import MASKED
from effocc_ros.evaluation.corruptions import Corruption, choose
from effocc_ros.evaluation.evaluate import (
    Predict,
    Scores,
    check_fits,
    evaluate_all,
    lidar_origins,
)
from effocc_ros.evaluation.guess import NAME, SAMPLES, Guess, learn_guess, training_split
from effocc_ros.evaluation.late_images import earlier_images
from effocc_ros.evaluation.presence import LeftOut, present
from effocc_ros.evaluation.reading import keep_dataset, read_samples
from effocc_ros.evaluation.robustness import (
    UNHARMED,
    Robustness,
    Row,
    robustness_mapping,
    robustness_report,
    robustness_table,
)
from effocc_ros.predictor import Predictor
from effocc_ros.progress import with_progress
from effocc_ros.simulation.processes import usable_cores, worker_pool

MOST_WORKERS = 8
"""More processes than that do not make the reading of samples any faster for one network."""
SAMPLES_PER_WORKER = 8
"""For fewer samples than that a process is not worth its start."""


def evaluate_split(arguments: argparse.Namespace) -> None:
    """Score a model on a split as the options of `effocc evaluate` say.

    Raises:
        InputError: Model, data set and options do not fit each other, or a file is broken.
    """
    name, space = arguments.dataset, label_space(arguments.dataset)
    mask = arguments.mask or ("camera" if name in MASKED else "none")
    with Predictor(arguments.model, arguments.device, arguments.precision) as predictor:
        config = predictor.config
        check_fits(predictor.name, predictor.classes, config.grid, space)
        sensors = {"cameras": config.cameras, "lidar": config.modality != "vision"}
        dataset = _open(arguments, arguments.split, sensors, config.sweeps)
        corruptions = _chosen(arguments.corrupt, predictor, dataset)
        # Before hours of work, not after them.
        arguments.out.mkdir(parents=True, exist_ok=True)
        guess = None if arguments.no_baseline else _guess(arguments, space)
        predictors: dict[str, Predict] = {UNHARMED: partial(_predict, predictor)}
        if guess is not None:
            predictors[reports.GUESS] = guess
        for corruption in corruptions:
            if not corruption.stops(config):
                predictors[corruption.name] = partial(_predict_corrupted, predictor, corruption)
        left_out = LeftOut(len(dataset))
        positions = present(dataset, arguments.limit, left_out)
        origins = lidar_origins(dataset) if arguments.rayiou else None
        with _pool(arguments.workers, dataset, len(positions)) as pool:
            samples = read_samples(dataset, positions, pool, left_out.take)
            bar = with_progress(samples, len(positions), what=predictor.name, unit="frame")
            scores = evaluate_all(
                bar,
                predictors,
                space,
                mask=mask,
                origins=origins,
                without_rays=[corruption.name for corruption in corruptions],
                pool=pool,
            )
        weights = "" if predictor.trained else " (random weights)"
        title = f"{predictor.name}{weights}, {name} {arguments.split}"
    if not scores[UNHARMED].confusion.frames:
        raise left_out.broken[0]
    if str(left_out):
        print(left_out)
    masked = title + f", mask {mask}" * (mask != "none")
    _publish_scores(arguments, scores, guess, title, masked)
    if corruptions:
        _publish_robustness(arguments.out / "robustness", scores, guess, corruptions, masked)


def _predict(predictor: Predictor, sample: Sample):
    return predictor.predict(sample.frame)


def _predict_corrupted(predictor: Predictor, corruption: Corruption, sample: Sample):
    return predictor.predict(corruption.apply(sample))


def _open(arguments: argparse.Namespace, split: str, sensors: dict, sweeps: int = 0):
    """Open a split with the sensors that the network uses, no others."""
    options = dict(sensors)
    if arguments.dataset != "occ3d_waymo":
        options |= {"version": arguments.version, "sweeps": SweepChoice(sweeps)}
    return open_dataset(arguments.dataset, arguments.root, split, **options)


def _chosen(names: str, predictor: Predictor, dataset: Dataset) -> tuple[Corruption, ...]:
    if not names:
        return ()
    earlier = earlier_images(dataset) if isinstance(dataset, NuscenesDataset) else None
    return choose(names, predictor.config, earlier)


def _guess(arguments: argparse.Namespace, space: LabelSpace) -> Guess | None:
    """Make the guess without sensors; say why where that is not possible."""
    split = training_split(arguments.split)
    try:
        dataset = _open(arguments, split, {"cameras": (), "lidar": False})
        positions = present(dataset, SAMPLES, LeftOut(len(dataset)))
        bar = with_progress(positions, len(positions), what=NAME, unit="label")
        return learn_guess((dataset[position].truth for position in bar), space)
    except InputError as error:
        print(f"no baseline, for the split {split} cannot be read: {error}")
        return None


@contextmanager
def _pool(workers: int | None, dataset: Dataset, samples: int) -> Iterator[Executor | None]:
    if workers is None:
        workers = min(usable_cores() - 1, MOST_WORKERS, samples // SAMPLES_PER_WORKER)
    if workers == 0:
        yield None
        return
    with worker_pool(workers, partial(keep_dataset, dataset)) as pool:
        yield pool


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
    corruptions: tuple[Corruption, ...],
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
