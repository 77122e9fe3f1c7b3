# SPDX-License-Identifier: Apache-2.0
import itertools

import pytest
import torch

from effocc_ros.training.lovasz import jaccard_steps, lovasz_softmax


def sure(labels, classes, scale=100.0):
    return scale * torch.nn.functional.one_hot(labels, classes).float()


def test_a_perfect_prediction_costs_nothing():
    labels = torch.tensor([0, 1, 1, 2, 2, 2])
    assert lovasz_softmax(sure(labels, 4, 1000.0), labels).item() == 0


@pytest.mark.parametrize("guess", list(itertools.product(range(2), repeat=3)))
def test_of_a_sure_prediction_it_is_one_minus_the_iou(guess):
    labels, guess = torch.tensor([0, 1, 1]), torch.tensor(guess)
    expected = 0.0
    for index in range(2):
        hits = ((labels == index) & (guess == index)).sum()
        union = ((labels == index) | (guess == index)).sum()
        expected += (1 - hits / union).item() / 2
    assert lovasz_softmax(sure(guess, 2), labels).item() == pytest.approx(expected, abs=1e-6)


def test_the_steps_are_those_of_the_iou():
    steps = jaccard_steps(torch.tensor([True, False, True]))
    # 1 - IoU after each error: 1 - 1/2, 1 - 1/3, 1 - 0/3.
    torch.testing.assert_close(steps.cumsum(0), torch.tensor([1 / 2, 2 / 3, 1.0]))


def test_a_step_against_the_gradient_lowers_it():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(50, 4, generator=generator, requires_grad=True)
    labels = torch.randint(0, 4, (50,), generator=generator)
    before = lovasz_softmax(logits, labels)
    before.backward()
    own = logits.grad.gather(1, labels[:, None])
    assert (own <= 0).all()
    assert lovasz_softmax(logits - 10 * logits.grad, labels) < before


def test_unknown_and_masked_voxels_do_not_count():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(40, 3, generator=generator)
    labels = torch.randint(0, 3, (40,), generator=generator)
    expected = lovasz_softmax(logits[8:], labels[8:])
    hidden = labels.clone()
    hidden[:8] = 255
    torch.testing.assert_close(lovasz_softmax(logits, hidden), expected)
    torch.testing.assert_close(lovasz_softmax(logits, labels, torch.arange(40) >= 8), expected)


def test_nothing_known_costs_nothing():
    logits = torch.randn(5, 3, requires_grad=True)
    loss = lovasz_softmax(logits, torch.full((5,), 255))
    loss.backward()
    assert loss.item() == 0
