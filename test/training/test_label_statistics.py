# SPDX-License-Identifier: Apache-2.0
from dataclasses import dataclass, replace

import numpy as np
import pytest

from effocc_ros.datasets.occ3d_nuscenes import SPACE
from effocc_ros.datasets.sample import Labels
from effocc_ros.errors import InputError
from effocc_ros.training.config import TrainConfig
from effocc_ros.training.label_statistics import (
    count_labels,
    labels_counted,
    load_statistics,
    save_statistics,
)

FREE, CAR = 17, 4


@dataclass
class OneTruth:
    truth: Labels


class Truths(list):
    """Samples as a data set holds them, labels alone."""

    space = SPACE

    def is_labeled(self, index):
        return self[index].truth is not None


def truth(cars, seen_cars):
    """Free space with cars in the first voxels, of which the first are seen; the rest is seen."""
    semantics = np.full(SPACE.grid.shape, FREE, np.uint8)
    semantics.reshape(-1)[:cars] = CAR
    mask = np.ones(SPACE.grid.shape, bool)
    mask.reshape(-1)[seen_cars:cars] = False
    return OneTruth(Labels(semantics, mask_camera=mask))


@pytest.mark.parametrize(("unseen", "cars"), [(0.0, 30), (0.1, 37), (1.0, 100)])
def test_unseen_voxels_count_as_much_as_in_the_loss(unseen, cars):
    counts = count_labels(Truths([truth(100, 30)]), 18, unseen=unseen).counts
    assert counts[CAR] == pytest.approx(cars)
    assert counts.sum() == pytest.approx(640_000 - 100 + cars)


def test_samples_whose_labels_are_hidden_are_left_out():
    samples = Truths([truth(10, 10), OneTruth(None), truth(20, 20)])
    statistics = count_labels(samples, 18, unseen=0.0)
    assert statistics.counts[CAR] == 30
    assert statistics.majority.shape == SPACE.grid.shape
    with pytest.raises(InputError, match="none with labels"):
        count_labels(Truths([OneTruth(None)]), 18, unseen=0.0)


def test_what_is_written_is_read(tmp_path):
    statistics = count_labels(Truths([truth(10, 10)]), 18, unseen=0.5)
    assert load_statistics(tmp_path / "labels.npz", "these") is None
    save_statistics(tmp_path / "labels.npz", statistics, "these")
    read = load_statistics(tmp_path / "labels.npz", "these")
    assert np.array_equal(read.counts, statistics.counts)
    assert np.array_equal(read.majority, statistics.majority)


def test_statistics_of_other_labels_are_not_read(tmp_path):
    budget = tmp_path / "budget.json"
    budget.write_text("one")
    config = TrainConfig(name="a", preset="lidar_tiny", root="street", budget=str(budget))
    counted = labels_counted(config, 18)
    statistics = count_labels(Truths([truth(10, 10)]), 18, unseen=0.5)
    save_statistics(tmp_path / "labels.npz", statistics, counted)
    assert load_statistics(tmp_path / "labels.npz", labels_counted(config, 18)) is not None
    changes = {"root": "road", "labeled_fraction": 0.4, "train_split": "mini", "budget": ""}
    for name, value in {**changes, "unseen_weight": 0.1}.items():
        other = labels_counted(replace(config, **{name: value}), 18)
        assert load_statistics(tmp_path / "labels.npz", other) is None
    budget.write_text("another")
    assert load_statistics(tmp_path / "labels.npz", labels_counted(config, 18)) is None


@pytest.mark.parametrize("keep", [0, 3, 100, -20])
def test_damaged_statistics_are_counted_anew(tmp_path, keep):
    path = tmp_path / "labels.npz"
    save_statistics(path, count_labels(Truths([truth(10, 10)]), 18, unseen=0.5), "these")
    path.write_bytes(path.read_bytes()[:keep])
    assert load_statistics(path, "these") is None
    path.write_text("junk")
    assert load_statistics(path, "these") is None
