"""The data sets of a training, opened with the sensors that its networks use."""

from dataclasses import dataclass

import numpy as np
from torch.utils.data import Dataset, Subset

from effocc_ros.datasets.benchmarks import label_space, open_dataset
from effocc_ros.datasets.budgets import read_budget
from effocc_ros.datasets.nuscenes_frames import SweepChoice
from effocc_ros.datasets.sample import Sample
from effocc_ros.errors import InputError
from effocc_ros.evaluation.evaluate import check_fits
from effocc_ros.networks.config import ModelConfig
from effocc_ros.training.config import TrainConfig

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


def open_training_split(config: TrainConfig, sensors: Sensors) -> Dataset[Sample]:
    """Open the split that is learned from, with its label budget.

    Raises:
        InputError: It cannot be opened, or is empty.
    """
    options = {"labeled_fraction": config.labeled_fraction, "unlabeled": config.unlabeled}
    if config.budget:
        options["budget"] = read_budget(config.budget)
    return _open(config, config.train_split, sensors, options)


def open_validation_split(config: TrainConfig, sensors: Sensors) -> Dataset[Sample]:
    """Open the samples that judge: ``val_limit`` of the split, evenly spaced.

    Raises:
        InputError: It cannot be opened, or is empty.
    """
    dataset = _open(config, config.val_split, sensors, {})
    return Subset(dataset, evenly_spaced(len(dataset), config.val_limit))


def evenly_spaced(count: int, limit: int) -> list[int]:
    """Return at most ``limit`` of the numbers below ``count``, from the first to the last."""
    return np.linspace(0, count - 1, min(limit, count)).round().astype(int).tolist()


def check_network_fits(network: ModelConfig, classes, dataset: str) -> None:
    """Raise InputError unless a network's classes and grid are those of the labels."""
    check_fits(network.name, classes, network.grid, label_space(dataset))


def _open(config: TrainConfig, split: str, sensors: Sensors, options: dict) -> Dataset[Sample]:
    options |= {"cameras": sensors.cameras, "lidar": sensors.lidar}
    if config.dataset != WAYMO:
        options |= {"version": config.version, "sweeps": SweepChoice(sensors.sweeps)}
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
