# SPDX-License-Identifier: Apache-2.0
"""The loss: what counts, what it is divided by, and that parts add up to the whole."""

from dataclasses import replace

import pytest
import torch

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.networks.effocc import Outputs
from effocc_ros.preprocess import Inputs
from effocc_ros.presets import load_preset
from effocc_ros.training.batch import IGNORE, Batch
from effocc_ros.training.config import StageWeights, TrainConfig
from effocc_ros.training.distillation import distillation_sums
from effocc_ros.training.losses import voxel_cross_entropy
from effocc_ros.training.lovasz import lovasz_softmax
from effocc_ros.training.objective import Objective

SHAPE = (4, 4, 2)
FREE = 17


def config(**values) -> TrainConfig:
    return TrainConfig(name="a", preset="lidar_tiny", **values)


def batch(count: int = 2, labeled: tuple[bool, ...] = (True, True), seed: int = 0) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 18, (count, *SHAPE), generator=draw, dtype=torch.uint8)
    shown = torch.tensor(labeled).view(-1, 1, 1, 1).expand(labels.shape)
    labels[~shown] = IGNORE
    return Batch(
        tokens=tuple(f"{seed}-{number}" for number in range(count)),
        inputs=Inputs(*[None] * 9),
        labels=labels,
        mask_camera=torch.rand(count, *SHAPE, generator=draw) < 0.5,
        shown=shown,
        flow=None,
        config=None,
    )


def outputs(columns=None, count: int = 2, seed: int = 1) -> Outputs:
    draw = torch.Generator().manual_seed(seed)
    maps = torch.randn(3, count, 6, 4, 4, generator=draw)
    logits = torch.randn(count, *SHAPE, 18, generator=draw)
    if columns is not None:
        logits = logits.flatten(0, 2)[columns]
    return Outputs(maps[0], maps[1], maps[2], logits, None)


def loss_of(objective: Objective, batch: Batch, given: Outputs, **task) -> float:
    task = objective.task(batch, None, **task)
    amounts = objective.amounts(task, outputs_flow=False)
    terms = objective.terms(given, task)
    assert list(terms) == list(amounts)
    return sum((terms[name] / amounts[name]).item() for name in terms)


def test_by_default_it_is_effoccs_masked_cross_entropy():
    batch_ = batch()
    given = outputs()
    expected = voxel_cross_entropy(given.logits, batch_.labels, batch_.mask_camera)
    found = loss_of(Objective(config(), OCC3D_NUSCENES), batch_, given)
    assert found == pytest.approx(expected.item(), rel=1e-6)


def test_what_no_camera_saw_counts_as_much_as_unseen_weight_says():
    batch_, given = batch(), outputs()
    weight = torch.where(batch_.mask_camera, 1.0, 0.25)
    expected = voxel_cross_entropy(given.logits, batch_.labels, weight)
    found = loss_of(Objective(config(unseen_weight=0.25), OCC3D_NUSCENES), batch_, given)
    assert found == pytest.approx(expected.item(), rel=1e-6)


def test_a_start_without_labels_learns_nothing_from_voxels_and_scores_a_single_column():
    objective = Objective(config(voxel_weight=0.0), OCC3D_NUSCENES)
    assert objective.columns_of(batch(), step=0).tolist() == [0]
    assert loss_of(objective, batch(), outputs()) == 0


def test_lovasz_is_of_what_cameras_saw_and_of_the_scores_that_are_judged():
    batch_, given = batch(), outputs()
    weights = torch.linspace(0.1, 3.0, 18)
    asked = config(lovasz_weight=2.0, class_weights="inverse_sqrt", logit_adjustment=0.5)
    asked = replace(asked, unseen_weight=0.25)
    objective = Objective(asked, OCC3D_NUSCENES, weights)
    plain = Objective(replace(asked, lovasz_weight=0.0), OCC3D_NUSCENES, weights)
    found = loss_of(objective, batch_, given) - loss_of(plain, batch_, given)
    judged = given.logits - 0.5 * weights.log()
    expected = lovasz_softmax(judged, batch_.labels, batch_.mask_camera)
    assert found == pytest.approx(2.0 * expected.item(), rel=1e-5)


def test_columns_without_a_counted_voxel_are_left_out_and_the_loss_stays():
    batch_ = batch()
    mask = batch_.mask_camera.clone()
    mask[:, :2] = False
    batch_ = replace(batch_, mask_camera=mask)
    objective = Objective(config(), OCC3D_NUSCENES)
    columns = objective.columns_of(batch_, step=0)
    seen = mask.any(dim=-1).flatten()
    assert columns.tolist() == seen.nonzero()[:, 0].tolist()
    task = objective.task(batch_, columns)
    name = "cross_entropy"
    part = objective.terms(outputs(columns), task)[name] / objective.amounts(task, False)[name]
    assert part.item() == pytest.approx(loss_of(objective, batch_, outputs()), rel=1e-6)


def test_drawn_columns_depend_on_seed_step_and_sample_not_on_the_batch():
    objective = Objective(config(columns=0.25, unseen_weight=1.0), OCC3D_NUSCENES)
    both = batch()
    drawn = objective.columns_of(both, step=3)
    assert len(drawn) == 2 * 4
    second = replace(
        both,
        tokens=both.tokens[1:],
        labels=both.labels[1:],
        mask_camera=both.mask_camera[1:],
        shown=both.shown[1:],
    )
    alone = objective.columns_of(second, step=3)
    assert (alone + 16).tolist() == drawn[4:].tolist()
    assert objective.columns_of(both, step=4).tolist() != drawn.tolist()
    other = Objective(config(columns=0.25, unseen_weight=1.0, seed=1), OCC3D_NUSCENES)
    assert other.columns_of(both, step=3).tolist() != drawn.tolist()


def test_a_batch_without_labels_still_has_a_column_and_a_loss_of_0():
    hidden = batch(labeled=(False, False))
    objective = Objective(config(), OCC3D_NUSCENES)
    columns = objective.columns_of(hidden, step=0)
    assert columns.tolist() == [0]
    task = objective.task(hidden, columns)
    assert objective.amounts(task, False)["cross_entropy"] == 0
    assert objective.terms(outputs(columns), task)["cross_entropy"] == 0


def test_pseudo_labels_are_learned_where_the_true_ones_are_hidden():
    half = batch(labeled=(True, False))
    guessed = torch.full_like(half.labels, FREE)
    weights = StageWeights(features=0.0, logits=0.0)
    learns = Objective(
        config(teacher="t", pseudo_labels=True, stage_weights=weights), OCC3D_NUSCENES
    )
    labels, mask = half.labels.clone(), half.mask_camera.clone()
    labels[1], mask[1] = FREE, True
    given = outputs()
    expected = voxel_cross_entropy(given.logits, labels, mask)
    found = loss_of(learns, half, given, teacher=outputs(seed=2), guessed=guessed)
    assert found == pytest.approx(expected.item(), rel=1e-6)
    ignores = Objective(config(teacher="t", stage_weights=weights), OCC3D_NUSCENES)
    expected = voxel_cross_entropy(given.logits[:1], half.labels[:1], half.mask_camera[:1])
    found = loss_of(ignores, half, given, teacher=outputs(seed=2), guessed=guessed)
    assert found == pytest.approx(expected.item(), rel=1e-6)


def test_a_frame_with_some_labels_learns_from_the_teacher_where_they_are_hidden():
    part = batch(labeled=(False, False))
    shown, labels = part.shown.clone(), part.labels.clone()
    shown[0, 1, 2, 1], labels[0, 1, 2, 1] = True, 4
    part = replace(part, shown=shown, labels=labels)
    objective = Objective(config(teacher="t", pseudo_labels=True), OCC3D_NUSCENES)
    guessed = torch.full_like(labels, 11)
    task = objective.task(part, None, outputs(seed=2), guessed)
    assert task.labels[0, 1, 2, 1] == task.source[0, 1, 2, 1] == 4
    assert (task.labels == 11).sum() == (task.source == 11).sum() == labels.numel() - 1
    assert task.weight[~shown].all(), "a hidden voxel counts, whether or not a camera saw it"


def test_flow_is_learned_where_the_labels_are_shown():
    part = batch()
    shown = torch.zeros_like(part.shown)
    shown[0, 1, 2, 1] = True
    truth = torch.full((*shown.shape, 2), 3.0)
    part = replace(part, shown=shown, labels=torch.where(shown, part.labels, IGNORE), flow=truth)
    objective = Objective(config(flow_weight=1.0), OCC3D_NUSCENES)
    flow = torch.zeros_like(truth, requires_grad=True)
    task = objective.task(part, None)
    amount = objective.amounts(task, True)["flow"]
    term = objective.terms(outputs()._replace(flow=flow), task)["flow"]
    term.backward()
    assert (amount, term.item()) == (2.0, 6.0)
    assert (flow.grad != 0).any(dim=-1).equal(shown)


def test_amounts_are_the_denominators_of_the_distillation():
    weights = StageWeights(camera_bev=0.5, fused_bev=2.0, features=1.0, logits=3.0)
    objective = Objective(config(teacher="t", stage_weights=weights), OCC3D_NUSCENES)
    half, teacher, given = batch(labeled=(True, False)), outputs(seed=2), outputs()
    guessed = torch.randint(0, 18, half.labels.shape, dtype=torch.uint8)
    columns = torch.tensor([0, 3, 17, 30])
    teacher = teacher._replace(logits=teacher.logits.flatten(0, 2)[columns])
    given = given._replace(logits=given.logits.flatten(0, 2)[columns])
    task = objective.task(half, columns, teacher, guessed)
    source = torch.where(half.shown, half.labels, guessed)
    sums = distillation_sums(given, teacher, source, OCC3D_NUSCENES, columns=columns)
    amounts, terms = objective.amounts(task, False), objective.terms(given, task)
    assert len(sums) == 12
    for name, expected in sums.items():
        weight = getattr(weights, name.partition("/")[0])
        assert amounts[name] == expected.denominator
        assert terms[name].item() == pytest.approx(weight * expected.numerator.item())
    assert terms["features/bg"] > 0


@pytest.mark.parametrize("loss", ["ohem", "openoccupancy"])
def test_scores_of_a_whole_scene_are_divided_by_the_known_voxels(loss):
    objective = Objective(config(loss=loss), OCC3D_NUSCENES, torch.ones(18))
    batch_, given = batch(), outputs()
    whole = loss_of(objective, batch_, given)
    assert whole > 0
    task = objective.task(batch_, None)
    amounts = objective.amounts(task, False)
    assert {amount.item() for amount in amounts.values()} == {64.0}


def test_the_depth_loss_is_that_of_the_cells_with_returns():
    network = replace(load_preset("vision_tiny"), image_size=(16, 16))
    objective = Objective(config(depth_weight=0.5), OCC3D_NUSCENES, network=network)
    depth = torch.zeros(2, 1, 16, 16)
    depth[0, 0, 2, 2], depth[1, 0, 9, 9] = 1.2, 2.1
    batch_ = batch()
    batch_ = replace(batch_, inputs=replace(batch_.inputs, depth=depth))
    task = objective.task(batch_, None)
    logits = torch.rand(2, 88, 2, 2)
    probability = logits.softmax(dim=1)
    terms = objective.terms(outputs()._replace(depth=logits), task)
    amounts = objective.amounts(task, outputs_flow=False)
    assert amounts["depth"] == 2
    expected = sum(
        torch.nn.functional.binary_cross_entropy(row, torch.eye(88)[number], reduction="sum")
        for row, number in ((probability[0, :, 0, 0], 0), (probability[1, :, 1, 1], 2))
    )
    assert terms["depth"].item() == pytest.approx(0.5 * expected.item(), rel=1e-5)
