# SPDX-License-Identifier: Apache-2.0
"""One step: the gradient does not depend on how a batch is cut, and is never swallowed."""

from dataclasses import replace

import pytest
import torch
from helpers.training_tree import VERSION, make_training_tree, very_small
from lightning_fabric import Fabric

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.errors import InputError
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.training.batch import collate, make_batch
from effocc_ros.training.config import StageWeights, TrainConfig
from effocc_ros.training.learner import Learner
from effocc_ros.training.objective import Objective
from effocc_ros.training.splits import open_training_split, sensors_of
from effocc_ros.training.student import Student

CONFIG = TrainConfig(
    name="a",
    preset="very_small_vision",
    version=VERSION,
    freeze_norm=True,
    teacher="t",
    columns=0.1,
    labeled_fraction=0.5,
    unlabeled=True,
    pseudo_labels=True,
    stage_weights=StageWeights(1.0, 1.0, 1.0, 1.0),
)


@pytest.fixture(scope="module")
def batches(tmp_path_factory):
    """Four samples of two scenes, those of one without labels."""
    root = make_training_tree(tmp_path_factory.mktemp("data"), scenes=3, samples=2)
    network = very_small("fusion")
    dataset = open_training_split(replace(CONFIG, root=str(root)), sensors_of(network))
    return [make_batch(dataset.read(index, 0), network).to("cpu") for index in range(4)]


def learner(config: TrainConfig = CONFIG) -> tuple[Learner, EffOcc]:
    torch.manual_seed(0)
    student, teacher = EffOcc(very_small("vision")), EffOcc(very_small("fusion"))
    fabric = Fabric(accelerator="cpu", devices=1)
    optimizer = torch.optim.SGD(student.parameters(), lr=1.0)
    module, optimizer = fabric.setup(Student(student), optimizer)
    objective = Objective(config, OCC3D_NUSCENES, torch.linspace(0.5, 2.0, 18))
    teacher.requires_grad_(False).eval()
    made = Learner(fabric, module, optimizer, objective, config, very_small("vision"), teacher)
    return made, student


def test_accumulated_parts_give_the_gradient_of_the_batch_in_one_piece(batches):
    assert [bool(batch.shown.any()) for batch in batches].count(True) == 2
    results, weights = [], []
    for parts in ([collate(batches)], [collate(batches[:3]), batches[3]], batches):
        taker, student = learner()
        results.append(taker.step(parts, step=0, lr=0.1))
        weights.append(torch.nn.utils.parameters_to_vector(student.parameters()).detach())
    assert set(results[0].terms) >= {"cross_entropy", "camera_bev/bg", "logits/empty"}
    start = torch.nn.utils.parameters_to_vector(learner()[1].parameters()).detach()
    moved = (weights[0] - start).norm()
    # Of 640,000 pseudo labels a few are ties that fall either way; means of means would be
    # percents apart.
    for result, after in zip(results[1:], weights[1:], strict=True):
        assert result.terms == pytest.approx(results[0].terms, rel=2e-4)
        assert result.gradient == pytest.approx(results[0].gradient, rel=1e-3)
        assert (after - weights[0]).norm() < 2e-3 * moved


def test_frozen_norms_and_the_teacher_stay_as_they_are(batches):
    taker, student = learner()
    before = {name: value.clone() for name, value in student.named_buffers()}
    taker.step(batches[:1], step=0, lr=0.1)
    assert all(torch.equal(value, before[name]) for name, value in student.named_buffers())
    assert not taker._teacher.training
    drifting, _ = learner(replace(CONFIG, teacher_train_mode=True))
    assert drifting._teacher.training


def test_a_loss_that_is_not_finite_names_the_samples_and_changes_nothing(batches):
    taker, student = learner()
    with torch.no_grad():
        student.occ_head.predicter[2].bias[0] = float("nan")
    before = torch.nn.utils.parameters_to_vector(student.parameters()).detach().clone()
    with pytest.raises(InputError, match="sample-0, sample-1") as error:
        taker.step(batches[:2], step=7, lr=0.1)
    assert error.value.reason == "not_finite"
    assert "step 7" in str(error.value)
    after = torch.nn.utils.parameters_to_vector(student.parameters())
    assert torch.equal(after.nan_to_num(), before.nan_to_num())
