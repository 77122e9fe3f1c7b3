# SPDX-License-Identifier: Apache-2.0
"""The data sets of a training, opened with the sensors that its networks use."""

import logging
from dataclasses import dataclass

from torch.utils.data import Dataset

from effocc_ros.datasets.benchmarks import open_dataset
from effocc_ros.datasets.budgets import read_budget
from effocc_ros.datasets.nuscenes_frames import SweepChoice
from effocc_ros.datasets.sample import LabelSpace, Sample
from effocc_ros.errors import InputError
from effocc_ros.evaluation.presence import LeftOut, present
from effocc_ros.networks.config import ModelConfig
from effocc_ros.training.config import TrainConfig

logger = logging.getLogger(__name__)

WAYMO = "occ3d_waymo"


@dataclass(frozen=True)
class Sensors:
    """What is read of each sample.

    Attributes:
        cameras: Names of cameras.
        lidar: Whether the LiDAR is read.
        sweeps: Earlier sweeps that are added.
    """

    cameras: tuple[str, ...] = ()
    lidar: bool = False
    sweeps: int = 0


NO_SENSORS = Sensors()
"""For those who want the labels alone."""


def sensors_of(network: ModelConfig) -> Sensors:
    """Return the sensors that a network uses."""
    return Sensors(network.cameras, network.modality != "vision", network.sweeps)


def read_by(dataset: str, sensors: Sensors, version: str) -> dict[str, object]:
    """Return what a data set is opened with, so that it reads what some sensors see."""
    options = {"cameras": sensors.cameras, "lidar": sensors.lidar}
    if dataset == WAYMO:
        return options
    return options | {"version": version, "sweeps": SweepChoice(sensors.sweeps)}


@dataclass(frozen=True)
class SomeSamples:
    """Some of the samples of a data set, as a loader reads them.

    Attributes:
        dataset: Where they are.
        positions: Which.
    """

    dataset: Dataset[Sample]
    positions: tuple[int, ...]

    @property
    def space(self) -> LabelSpace:
        """What the labels mean."""
        return self.dataset.space

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[self.positions[index]]

    def is_labeled(self, index: int) -> bool:
        """Return whether the label budget shows a sample's labels."""
        return self.dataset.is_labeled(self.positions[index])

    def read(self, index: int, epoch: int) -> Sample:
        """Read a sample as it is in an epoch."""
        return self.dataset.read(self.positions[index], epoch)


def open_training_split(config: TrainConfig, sensors: Sensors) -> SomeSamples:
    """Open the samples that are learned from, as far as their files are there.

    Raises:
        InputError: It cannot be opened, or is empty.
    """
    options = {"labeled_fraction": config.labeled_fraction, "unlabeled": config.unlabeled}
    if config.budget and config.dataset == WAYMO:
        raise InputError(
            "budget",
            found=config.budget,
            expected=f"nothing: {WAYMO} knows labeled_fraction alone",
            do="Leave the budget out",
            reason="no_budgets",
        )
    if config.budget:
        options["budget"] = read_budget(config.budget)
    dataset = _open(config, config.train_split, sensors, options)
    return SomeSamples(dataset, _there(dataset, config.train_split))


def open_validation_split(
    config: TrainConfig, sensors: Sensors, rank: int = 0, world: int = 1
) -> SomeSamples:
    """Open the samples that judge: ``val_limit`` of the split, evenly spaced.

    Args:
        config: The training.
        sensors: What is read.
        rank: Which process this is; each judges on its own part, one may have a sample more.
        world: How many processes there are.

    Raises:
        InputError: It cannot be opened, or is empty.
    """
    dataset = _open(config, config.val_split, sensors, {})
    return SomeSamples(dataset, _there(dataset, config.val_split, config.val_limit)[rank::world])


def _there(dataset: Dataset[Sample], split: str, count: int | None = None) -> tuple[int, ...]:
    """Return positions of samples whose files are there; say what is missing."""
    left_out = LeftOut(len(dataset))
    positions = present(dataset, count, left_out)
    if left_out.absent:
        logger.warning("split %s: %s", split, left_out)
    return tuple(positions)


def _open(config: TrainConfig, split: str, sensors: Sensors, options: dict) -> Dataset[Sample]:
    options |= read_by(config.dataset, sensors, config.version)
    dataset = open_dataset(config.dataset, config.root, split, **options)
    if not len(dataset):
        raise InputError(
            f"split {split} of {config.root}",
            found="no sample",
            expected="at least one",
            do="Choose another split, or a larger label budget",
            reason="empty_split",
        )
    return dataset
