# SPDX-License-Identifier: Apache-2.0
"""A split to be scored: by this process, or sample by sample by the workers of a fleet."""

import argparse
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

from torch.utils.data import Dataset

from effocc_ros.classes import class_list
from effocc_ros.datasets.benchmarks import label_space, open_dataset
from effocc_ros.datasets.nuscenes_dataset import NuscenesDataset
from effocc_ros.datasets.nuscenes_frames import SweepChoice
from effocc_ros.datasets.sample import LabelSpace, Sample
from effocc_ros.errors import InputError
from effocc_ros.evaluation.cli import MASKED
from effocc_ros.evaluation.corruptions import Corruption, choose
from effocc_ros.evaluation.evaluate import (
    Origins,
    Predict,
    Scores,
    check_fits,
    evaluate_all,
    lidar_origins,
)
from effocc_ros.evaluation.guess import Guess
from effocc_ros.evaluation.late_images import earlier_images
from effocc_ros.evaluation.presence import LeftOut
from effocc_ros.evaluation.reading import keep_dataset, read_samples
from effocc_ros.evaluation.report import GUESS
from effocc_ros.evaluation.robustness import UNHARMED
from effocc_ros.fleet.crew import Crew, hired
from effocc_ros.fleet.schedule import work_through
from effocc_ros.fleet.serving import Handle
from effocc_ros.loaded_model import load_model
from effocc_ros.networks.config import ModelConfig
from effocc_ros.predictor import Predictor
from effocc_ros.progress import with_progress
from effocc_ros.simulation.processes import usable_cores, worker_pool

MOST_WORKERS = 8
"""More processes than that do not make the reading of samples any faster for one network."""
SAMPLES_PER_WORKER = 8
"""For fewer samples than that a process is not worth its start."""


@dataclass(frozen=True)
class Split:
    """A split, open for a network.

    Attributes:
        dataset: Its samples, with the sensors that the network uses.
        space: What the labels mean.
        mask: Which voxels count: ``camera``, ``lidar`` or ``none``.
        config: The network's.
        corruptions: With which the network is scored once more each.
        rays: True to cast rays, too.
    """

    dataset: Dataset[Sample]
    space: LabelSpace
    mask: str
    config: ModelConfig
    corruptions: Sequence[Corruption]
    rays: bool

    @classmethod
    def opened(cls, arguments: argparse.Namespace, config: ModelConfig, name: str) -> "Split":
        """Open what the options of `effocc evaluate` name.

        Args:
            arguments: The options.
            config: The network's.
            name: What to call it.

        Raises:
            InputError: Model, data set and options do not fit each other.
        """
        space = label_space(arguments.dataset)
        check_fits(name, class_list(config.classes), config.grid, space)
        sensors = {"cameras": config.cameras, "lidar": config.modality != "vision"}
        dataset = open_split(arguments, arguments.split, sensors, config.sweeps)
        corruptions: tuple[Corruption, ...] = ()
        if arguments.corrupt:
            nuscenes = isinstance(dataset, NuscenesDataset)
            earlier = earlier_images(dataset) if nuscenes else None
            corruptions = choose(arguments.corrupt, config, earlier)
        mask = arguments.mask or ("camera" if arguments.dataset in MASKED else "none")
        return cls(dataset, space, mask, config, corruptions, arguments.rayiou)

    @cached_property
    def origins(self) -> Origins | None:
        """Where rays start."""
        return lidar_origins(self.dataset) if self.rays else None

    def score(
        self,
        predictor: Predictor,
        guess: Guess | None,
        positions: Sequence[int],
        left_out: LeftOut,
        *,
        pool: Executor | None = None,
        progress: bool = False,
    ) -> dict[str, Scores]:
        """Score a network, with and without corruptions, and a guess.

        Args:
            predictor: The network.
            guess: The guess, or None.
            positions: Of the samples.
            left_out: Takes those that cannot be read.
            pool: Processes that read and count.
            progress: Show how far it is.

        Returns:
            The scores by name.
        """
        predictors: dict[str, Predict] = {UNHARMED: lambda sample: predictor.predict(sample.frame)}
        if guess is not None:
            predictors[GUESS] = guess
        for corruption in self.corruptions:
            if not corruption.stops(self.config):
                predictors[corruption.name] = partial(_corrupted, predictor, corruption)
        samples = read_samples(self.dataset, positions, pool, left_out.take)
        total = len(positions)
        return evaluate_all(
            with_progress(samples, total, what=predictor.name, unit="frame", shown=progress),
            predictors,
            self.space,
            mask=self.mask,
            origins=self.origins,
            without_rays=[corruption.name for corruption in self.corruptions],
            pool=pool,
        )

    @contextmanager
    def readers(self, workers: int | None, samples: int) -> Iterator[Executor | None]:
        """Start processes that read samples and count, for one network; None chooses how many."""
        if workers is None:
            workers = min(usable_cores() - 1, MOST_WORKERS, samples // SAMPLES_PER_WORKER)
        if workers == 0:
            yield None
            return
        with worker_pool(workers, partial(keep_dataset, self.dataset)) as pool:
            yield pool


def open_split(arguments: argparse.Namespace, split: str, sensors: dict, sweeps: int = 0):
    """Open a split with the sensors that the network uses, no others."""
    options = dict(sensors)
    if arguments.dataset != "occ3d_waymo":
        options |= {"version": arguments.version, "sweeps": SweepChoice(sweeps)}
    return open_dataset(arguments.dataset, arguments.root, split, **options)


class Scored(NamedTuple):
    """What a worker tells of a sample.

    Attributes:
        scores: By name.
        broken: Why it could not be read, if so.
    """

    scores: dict[str, Scores]
    broken: list[InputError]


@dataclass(frozen=True)
class ScoringWorkers:
    """How workers score samples; calling it makes one, which takes positions.

    Attributes:
        arguments: Options of `effocc evaluate`.
        guess: Scored beside the network, or None.
        devices: Of the workers of a machine, by number, over and over.
    """

    arguments: argparse.Namespace
    guess: Guess | None
    devices: Sequence[str]

    def __call__(self, number: int) -> Handle:
        """Make the worker of this process."""
        device = self.devices[number % len(self.devices)]
        model = load_model(self.arguments.model)
        predictor = Predictor(model, device, self.arguments.precision)
        split = Split.opened(self.arguments, predictor.config, predictor.name)

        def score(position: int) -> Scored:
            left_out = LeftOut(1)
            scores = split.score(predictor, self.guess, [position], left_out)
            return Scored(scores, left_out.broken)

        return score


def score_by_fleet(
    arguments: argparse.Namespace,
    guess: Guess | None,
    positions: Sequence[int],
    left_out: LeftOut,
    crew: Crew,
) -> dict[str, Scores]:
    """Score samples by many networks: counts add up exactly, in whatever order they come.

    Args:
        arguments: Options of `effocc evaluate`.
        guess: The guess, or None.
        positions: Of the samples.
        left_out: Takes those that cannot be read.
        crew: Who does it.

    Raises:
        InputError: Of a worker, or the workers of a sample died again and again.
    """
    totals: dict[str, Scores] = {}
    workers_on = partial(ScoringWorkers, arguments, guess)
    with hired(crew, len(positions), workers_on) as workers:
        outcomes = work_through(positions, workers)
        for outcome in with_progress(outcomes, len(positions), unit="frame"):
            if outcome.error:
                raise InputError(
                    f"sample {outcome.task} of the split",
                    found=outcome.error,
                    expected="scores",
                    do="Where memory was short, use fewer --predictors",
                    reason="worker_died",
                )
            for name, scores in outcome.result.scores.items():
                totals[name] = totals[name].joined(scores) if name in totals else scores
            left_out.broken += outcome.result.broken
    return totals


def _corrupted(predictor: Predictor, corruption: Corruption, sample: Sample):
    return predictor.predict(corruption.apply(sample))
