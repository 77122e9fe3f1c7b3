# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from effocc_ros.occupancy import ClassList
from effocc_ros.training.class_bias import fit_class_bias

CLASSES = ClassList("three", ("car", "road", "free"), ((0, 0, 0),) * 3, free=2)


def mean_iou(labels, truth):
    """Over the classes that occur, free left out, by the definition."""
    found = []
    for index in {0, 1} & set(truth.tolist()):
        said, true = labels == index, truth == index
        found.append(((said & true).sum() / (said | true).sum()).item())
    return np.mean(found) if found else 0.0


def test_a_class_that_is_called_too_seldom_gains_a_bias_by_hand():
    # Four cars, of which three lose to free by 0.3; free voxels are surer by 0.9.
    scores = torch.tensor([[1.0, 0.0, 0.3], [0.0, 0.0, 0.3], [0.0, 0.0, 0.3], [0.0, 0.0, 0.3]])
    scores = torch.cat([scores, torch.tensor([[0.0, 0.0, 0.9]] * 4)]).T
    truth = torch.tensor([0, 0, 0, 0, 2, 2, 2, 2])
    found = fit_class_bias(scores, truth, CLASSES)
    assert found.bias.tolist() == pytest.approx([0.4, 0.0, 0.0])
    assert found.before.mean_iou() == 0.25
    assert found.after.mean_iou() == 1.0


def test_scores_that_cannot_gain_are_left_alone():
    scores = 5.0 * torch.eye(3)
    found = fit_class_bias(scores, torch.tensor([0, 1, 2]), CLASSES)
    assert not found.bias.any()
    assert found.after.mean_iou() == 1.0


def test_a_class_that_does_not_occur_is_not_talked_down():
    scores = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]]).T
    found = fit_class_bias(scores, torch.tensor([0, 2, 2]), CLASSES)
    assert found.bias[1] == 0.0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 60))
def test_the_mean_iou_is_that_of_the_biased_scores_and_never_falls(seed, count):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(3, count, generator=generator)
    truth = torch.randint(3, (count,), generator=generator)
    given_scores = scores.clone()
    found = fit_class_bias(scores, truth, CLASSES)
    assert torch.equal(scores, given_scores)
    assert found.bias[2] == 0.0
    labels = (scores + found.bias[:, None]).argmax(dim=0)
    assert mean_iou(labels, truth) >= mean_iou(scores.argmax(dim=0), truth)
    rows = np.zeros((3, 3), np.int64)
    np.add.at(rows, (truth.numpy(), labels.numpy()), 1)
    assert (found.after.counts == rows).all()
