# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.datasets.sample import Labels, LabelSpace
from effocc_ros.errors import InputError
from effocc_ros.evaluation.guess import learn_guess, training_split
from effocc_ros.evaluation.reading import evenly
from effocc_ros.geometry import VoxelGrid

GRID = VoxelGrid((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (4, 1, 1))
SPACE = LabelSpace(OCC3D_NUSCENES, GRID, "base_link", ignore=255)


def labels(*values):
    return Labels(np.array(values, np.uint8).reshape(4, 1, 1))


def test_the_guess_is_the_most_frequent_class_of_each_voxel():
    guess = learn_guess(
        iter([labels(4, 11, 17, 255), labels(4, 15, 17, 255), labels(11, 15, 255, 255)]), SPACE
    )
    # What never had a label is free.
    assert guess.labels.ravel().tolist() == [4, 15, 17, 17]
    assert guess.samples == 3
    assert "3 training labels" in guess.title


def test_a_guess_from_nothing_is_refused():
    with pytest.raises(InputError, match="no training labels"):
        learn_guess([], SPACE)


def test_every_split_has_the_split_that_it_is_judged_after():
    assert [training_split(split) for split in ("val", "mini_val", "all")] == [
        "train",
        "mini_train",
        "train",
    ]


def test_samples_are_spread_over_the_whole_split():
    assert evenly(10, 2) == [2, 7]
    assert evenly(5, None) == evenly(5, 9) == [0, 1, 2, 3, 4]
    assert evenly(6019, 1) == [3009]
    chosen = evenly(6019, 500)
    assert len(set(chosen)) == 500
    assert max(np.diff(chosen)) - min(np.diff(chosen)) <= 1
