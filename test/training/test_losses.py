# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from helpers.vectors import load_vector

from effocc_ros.errors import InputError
from effocc_ros.training.losses import (
    IGNORE,
    cross_entropy_sum,
    flow_l1_sum,
    inverse_sqrt_weights,
    voxel_cross_entropy,
)
from effocc_ros.training.ohem import WAYMO_CLASS_WEIGHTS, ohem_cross_entropy
from effocc_ros.training.openoccupancy import openoccupancy_losses, pool_labels
from effocc_ros.training.scaling import geometric_scaling, semantic_scaling

OPENOCCUPANCY_NAMES = {
    "cross_entropy": "loss_voxel_ce_openoccupancy",
    "semantic_scaling": "loss_voxel_sem_scal_openoccupancy",
    "geometric_scaling": "loss_voxel_geo_scal_openoccupancy",
    "lovasz": "loss_voxel_lovasz_openoccupancy",
}


@pytest.fixture(scope="module")
def vector():
    return load_vector("d_misc_losses")


def test_vector_occ3d_masked_cross_entropy(vector):
    mask = vector["mask"].bool()
    total = cross_entropy_sum(vector["occ3d_logits"], vector["occ3d_labels"], mask)
    # EFFOcc divides by all of the mask, unknown voxels (which Occ3D does not have) among them.
    torch.testing.assert_close(
        (total.numerator / mask.sum()).double(), vector["occ3d_masked_ce"], rtol=1e-5, atol=0
    )
    known = (mask & (vector["occ3d_labels"] != IGNORE)).sum()
    assert total.denominator == known < mask.sum()


def test_vector_waymo_masked_cross_entropy(vector):
    mask = vector["mask"].bool()
    loss = voxel_cross_entropy(vector["waymo_logits"], vector["waymo_labels"], mask)
    torch.testing.assert_close(loss.double(), vector["waymo_lidar_d1_ce"], rtol=1e-5, atol=0)


def test_vector_waymo_ohem(vector):
    loss = ohem_cross_entropy(
        vector["waymo_logits"],
        vector["waymo_labels"],
        vector["mask"].bool(),
        torch.tensor(WAYMO_CLASS_WEIGHTS),
    )
    torch.testing.assert_close(loss.double(), vector["waymo_ohem"], rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", OPENOCCUPANCY_NAMES)
def test_vector_openoccupancy(vector, name):
    losses = openoccupancy_losses(vector["oo_logits"], vector["oo_gt"], free=0)
    expected = vector[f"oo.{OPENOCCUPANCY_NAMES[name]}"]
    torch.testing.assert_close(losses[name].double(), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", OPENOCCUPANCY_NAMES)
def test_vector_openoccupancy_with_labels_twice_as_fine(vector, name):
    pooled = pool_labels(vector["oo_gt_ratio2"], 2, free=0)
    losses = openoccupancy_losses(vector["oo_logits"], pooled, free=0)
    expected = vector[f"oo_ratio2.{OPENOCCUPANCY_NAMES[name]}"]
    torch.testing.assert_close(losses[name].double(), expected, rtol=1e-3, atol=0)


def test_an_undecided_network_pays_the_logarithm_of_the_class_count():
    labels = torch.tensor([0, 1, 2, 3], dtype=torch.uint8)
    assert voxel_cross_entropy(torch.zeros(4, 4), labels).item() == pytest.approx(math.log(4))


def test_few_counted_voxels_give_the_mean_over_those_alone():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 5, 3, 4, generator=generator)
    labels = torch.randint(0, 4, (2, 5, 5, 3), generator=generator).to(torch.uint8)
    for share in (0.1, 0.9):
        mask = torch.rand(labels.shape, generator=generator) < share
        expected = torch.nn.functional.cross_entropy(logits[mask], labels[mask].long())
        torch.testing.assert_close(voxel_cross_entropy(logits, labels, mask), expected)
        torch.testing.assert_close(voxel_cross_entropy(logits, labels, mask.float()), expected)
        hidden = torch.where(mask, labels, IGNORE).to(torch.uint8)
        torch.testing.assert_close(voxel_cross_entropy(logits, hidden), expected)


def test_class_weights_and_voxel_weights_multiply_and_only_voxel_weights_divide():
    logits = torch.zeros(3, 2)
    labels = torch.tensor([0, 1, 1], dtype=torch.uint8)
    total = cross_entropy_sum(
        logits, labels, torch.tensor([1.0, 0.5, 0.0]), torch.tensor([1.0, 10.0])
    )
    assert total.numerator.item() == pytest.approx(math.log(2) * (1 + 0.5 * 10))
    assert total.denominator.item() == 1.5


def test_sums_of_two_halves_divide_to_the_mean_of_the_whole():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(100, 5, generator=generator)
    labels = torch.randint(0, 5, (100,), generator=generator)
    weight = torch.rand(100, generator=generator)
    halves = [
        cross_entropy_sum(logits[s], labels[s], weight[s]) for s in (slice(70), slice(70, 100))
    ]
    whole = voxel_cross_entropy(logits, labels, weight)
    torch.testing.assert_close((halves[0] + halves[1]).mean(), whole)


def test_no_counted_voxel_is_a_loss_and_a_gradient_of_zero():
    logits = torch.randn(6, 4, requires_grad=True)
    labels = torch.full((6,), IGNORE, dtype=torch.uint8)
    loss = voxel_cross_entropy(logits, labels)
    loss = loss + ohem_cross_entropy(logits, labels) + semantic_scaling(logits, labels)
    loss = loss + geometric_scaling(logits, labels, free=0)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros(6, 4))


def test_half_precision_logits_are_summed_in_single_precision():
    logits, labels = (
        torch.zeros(4096, 2, dtype=torch.bfloat16),
        torch.zeros(4096, dtype=torch.uint8),
    )
    total = cross_entropy_sum(logits, labels)
    assert total.numerator.dtype == torch.float32
    assert total.mean().item() == pytest.approx(math.log(2), rel=1e-6)


def test_labels_of_another_class_list_are_named():
    with pytest.raises(InputError, match="0 to 3, or 255"):
        voxel_cross_entropy(torch.zeros(5, 4), torch.tensor([0, 1, 17, 2, 3]))


def test_labels_of_another_grid_are_named():
    with pytest.raises(InputError, match=r"\(2, 2, 8\).*\(2, 2, 16\)"):
        voxel_cross_entropy(torch.zeros(2, 2, 16, 4), torch.zeros(2, 2, 8))


def test_ohem_counts_uncounted_voxels_in_its_means():
    logits = torch.tensor([[0.0, 0.0]] * 10)
    labels, mask = torch.zeros(10, dtype=torch.uint8), torch.zeros(10, dtype=torch.bool)
    mask[0] = True
    loss = ohem_cross_entropy(logits, labels, mask, top_ratio=0.2, top_weight=4.0)
    assert loss.item() == pytest.approx(math.log(2) / 10 + 4 * math.log(2) / 2)


def test_semantic_scaling_of_a_hand_made_scene():
    # Class 0 in two voxels, called with 0.8 and 0.6; class 1 in one, called with 0.9; no class 2.
    probabilities = torch.tensor([[0.8, 0.2, 1e-30], [0.6, 0.4, 1e-30], [0.1, 0.9, 1e-30]])
    labels = torch.tensor([0, 0, 1], dtype=torch.uint8)
    first = [1.4 / 1.5, 1.4 / 2, 0.9 / 1]
    second = [0.9 / 1.5, 0.9 / 1, 1.4 / 2]
    expected = -sum(math.log(score) for score in first + second) / 2
    assert semantic_scaling(probabilities.log(), labels).item() == pytest.approx(
        expected, rel=1e-5
    )


def test_geometric_scaling_of_a_hand_made_scene():
    free = torch.tensor([0.9, 0.2, 0.3])
    logits = torch.stack((free, 1 - free), dim=-1).log()
    labels = torch.tensor([0, 1, 1], dtype=torch.uint8)
    scores = [1.5 / 1.6, 1.5 / 2, 0.9 / 1]
    expected = -sum(math.log(score) for score in scores)
    assert geometric_scaling(logits, labels, free=0).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("label", [0, 1])
def test_scaling_of_a_scene_of_one_kind_is_finite_and_has_a_gradient(label):
    logits = torch.tensor([[4.0, -200.0], [-200.0, 4.0]], requires_grad=True)
    labels = torch.full((2,), label, dtype=torch.uint8)
    loss = geometric_scaling(logits, labels, free=0) + semantic_scaling(logits, labels)
    loss.backward()
    assert 0 < loss.item() < 100
    assert logits.grad.isfinite().all()


def test_a_weight_of_zero_leaves_a_voxel_out_of_the_scaling_losses():
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(20, 3, generator=generator)
    labels = torch.randint(0, 3, (20,), generator=generator)
    mask = torch.ones(20, dtype=torch.bool)
    mask[:4] = False
    torch.testing.assert_close(
        semantic_scaling(logits, labels, mask), semantic_scaling(logits[4:], labels[4:])
    )
    torch.testing.assert_close(
        geometric_scaling(logits, labels, 0, mask), geometric_scaling(logits[4:], labels[4:], 0)
    )


def test_flow_is_the_mean_distance_over_components():
    flow, truth = torch.tensor([[1.0, 0.0], [5.0, 5.0]]), torch.tensor([[0.0, 0.5], [5.0, 5.0]])
    assert flow_l1_sum(flow, truth).mean().item() == pytest.approx(1.5 / 4)
    mask = torch.tensor([True, False])
    assert flow_l1_sum(flow, truth, mask).mean().item() == pytest.approx(1.5 / 2)


def test_inverse_sqrt_weights_have_a_mean_of_one_over_the_voxels():
    counts = torch.tensor([10000, 100, 0])
    weights = inverse_sqrt_weights(counts)
    assert (weights @ counts.float() / counts.sum()).item() == pytest.approx(1)
    assert (weights[1] / weights[0]).item() == pytest.approx(10)
    assert weights[2] > weights[1]


def test_pooling_takes_the_commonest_class_of_a_block():
    block = torch.zeros(1, 2, 2, 2, dtype=torch.uint8)
    assert pool_labels(block, 2, free=0).item() == 0
    block[0, 0, 0] = torch.tensor([4, 4])
    block[0, 1, 0] = torch.tensor([7, 7])
    assert pool_labels(block, 2, free=0).item() == 4
    block[0, 1, 1] = torch.tensor([7, 0])
    assert pool_labels(block, 2, free=0).item() == 7


def test_a_single_voxel_among_free_ones_pools_to_unknown():
    block = torch.zeros(1, 2, 2, 2, dtype=torch.uint8)
    block[0, 0, 0, 0] = 4
    assert pool_labels(block, 2, free=0).item() == IGNORE


def test_a_grid_that_is_no_multiple_cannot_be_pooled():
    with pytest.raises(InputError, match="a multiple of 3"):
        pool_labels(torch.zeros(1, 6, 6, 4, dtype=torch.uint8), 3, free=0)
