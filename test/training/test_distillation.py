# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from helpers.vectors import load_vector

from effocc_ros.classes import OCC3D_NUSCENES, OCC3D_WAYMO, OPENOCC_FLOW, OPENOCCUPANCY
from effocc_ros.errors import InputError
from effocc_ros.networks.effocc import Outputs
from effocc_ros.networks.occupancy_head import OccupancyHead
from effocc_ros.occupancy import ClassList
from effocc_ros.presets import load_preset
from effocc_ros.training.adapters import StageAdapters, stage_channels
from effocc_ros.training.distillation import (
    cosine_sums,
    distillation_sums,
    distillation_terms,
    labels_of,
    source_labels,
)
from effocc_ros.training.foreground import foreground_labels
from effocc_ros.training.losses import voxel_cross_entropy
from effocc_ros.training.masks import bev_parts, voxel_parts

FREE, CAR, ROAD = 17, 4, 11
CASES = {"mixed": [True, False], "all_labeled": [True, True], "none_labeled": [False, False]}


@pytest.fixture(scope="module")
def vector():
    return load_vector("d_distill_losses")


def outputs(features=None, logits=None, **maps):
    return Outputs(maps.get("camera_bev"), maps.get("fused_bev"), features, logits, None)


def case(vector, name):
    """Student, teacher and source labels of one case of the vector."""
    student = outputs(vector["student_feat"], vector["student_occ"])
    teacher = outputs(vector["teacher_feat"], vector["teacher_occ"])
    labels, labeled = vector["voxel_semantics"], torch.tensor(CASES[name])
    shown = labeled.view(-1, 1, 1, 1).expand(labels.shape)
    return student, teacher, source_labels(labels, shown, vector["teacher_pred"])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("official", [True, False])
def test_vector_distillation_terms(vector, name, official):
    student, teacher, source = case(vector, name)
    terms = distillation_terms(
        student, teacher, source, OCC3D_NUSCENES, official_orientation=official
    )
    assert len(terms) == 6
    for part in ("fg", "bg", "empty"):
        key = "" if official else "untransposed."
        pairs = (
            (terms[f"features/{part}"], vector[f"{name}.{key}{part}_distill_bev_loss"]),
            (terms[f"logits/{part}"], vector[f"{name}.{part}_distill_occ_loss"]),
        )
        for value, expected in pairs:
            torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", CASES)
def test_vector_counts_of_bev_cells(vector, name):
    student, teacher, source = case(vector, name)
    sums = distillation_sums(student, teacher, source, OCC3D_NUSCENES, stages=["features"])
    for part in ("fg", "bg", "empty"):
        cells = sums[f"features/{part}"].denominator / student.features.shape[1]
        assert cells == vector[f"{name}.{part}_count_bev"]


@pytest.mark.parametrize("name", CASES)
def test_vector_truth_counts_in_labeled_samples_alone(vector, name):
    labeled = torch.tensor(CASES[name])[:, None, None, None]
    labels = torch.where(labeled, vector["voxel_semantics"], 255).to(torch.uint8)
    loss = voxel_cross_entropy(vector["student_occ"], labels, vector["mask_camera"].bool())
    torch.testing.assert_close(loss.double(), vector[f"{name}.loss_occ"], rtol=1e-5, atol=1e-12)


def street():
    """One column of road with a car on it, one of road, one half known, the rest free: 2 x 4."""
    labels = torch.full((1, 2, 4, 3), FREE, dtype=torch.uint8)
    labels[0, 0, 1] = torch.tensor([ROAD, CAR, FREE])
    labels[0, 1, 3] = torch.tensor([ROAD, FREE, FREE])
    labels[0, 0, 3] = torch.tensor([255, FREE, FREE])
    return labels


def test_parts_of_columns_have_y_before_x():
    parts = bev_parts(street(), OCC3D_NUSCENES, (4, 2))
    assert parts.fg[0].nonzero().tolist() == [[1, 0]]
    assert parts.bg[0].nonzero().tolist() == [[1, 0], [3, 1]]
    assert parts.empty[0].tolist() == [[True, True], [False, True], [True, True], [False, False]]


def test_a_car_with_free_space_above_it_is_background_too_as_in_effocc():
    labels = torch.tensor([CAR, FREE], dtype=torch.uint8).view(1, 1, 1, 2)
    assert bev_parts(labels, OCC3D_NUSCENES, (1, 1)).bg.all()
    labels[..., 1] = CAR
    assert not bev_parts(labels, OCC3D_NUSCENES, (1, 1)).bg.any()


def test_a_coarser_map_sees_two_by_two_columns_as_one():
    parts = bev_parts(street(), OCC3D_NUSCENES, (2, 1))
    assert parts.fg[0].tolist() == [[True], [False]]
    assert parts.bg[0].tolist() == [[True], [True]]
    assert parts.empty[0].tolist() == [[False], [False]]


def test_a_map_that_does_not_divide_the_grid_is_refused():
    with pytest.raises(InputError, match=r"2 x 3 cells for a grid of 2 x 4"):
        bev_parts(street(), OCC3D_NUSCENES, (3, 2))


def test_an_unknown_voxel_belongs_to_no_part():
    fg, bg, empty = voxel_parts(
        torch.tensor([CAR, ROAD, FREE, 255]).to(torch.uint8), OCC3D_NUSCENES
    )
    assert fg.tolist() == [True, False, False, False]
    assert bg.tolist() == [False, True, False, False]
    assert empty.tolist() == [False, False, True, False]


def test_the_foreground_of_every_benchmark():
    assert foreground_labels(OCC3D_NUSCENES) == tuple(range(11))
    assert foreground_labels(OPENOCCUPANCY) == tuple(range(1, 11))
    assert foreground_labels(OPENOCC_FLOW) == tuple(range(10))
    names = [OCC3D_WAYMO.names[label] for label in foreground_labels(OCC3D_WAYMO)]
    assert {"vehicle", "pedestrian", "cyclist", "construction_cone"} < set(names)
    assert not {"sign", "pole", "road", "free"} & set(names)


def test_a_list_without_foreground_is_named():
    classes = ClassList("moon", ("dust", "free"), ((0, 0, 0), (255, 255, 255)), 1)
    with pytest.raises(InputError, match=r"class list moon.*dust, free"):
        foreground_labels(classes)


def test_labels_come_from_the_teacher_only_where_there_is_no_truth():
    labels = torch.full((3, 1, 1, 2), 255, dtype=torch.uint8)
    shown = torch.zeros(labels.shape, dtype=torch.bool)
    labels[0], shown[0] = 3, True
    labels[1, ..., 0], shown[1, ..., 0] = 4, True  # one voxel of two; the other one is hidden
    guessed = torch.full_like(labels, 9)
    chosen = source_labels(labels, shown, guessed)
    assert chosen.flatten().tolist() == [3, 3, 4, 9, 9, 9]
    assert chosen.dtype == torch.uint8


@torch.inference_mode()
def test_a_teacher_that_scored_some_columns_still_classifies_all():
    class Teacher(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.occ_head = OccupancyHead(4, 4, 8, height=3, class_count=18)

        def for_head(self, features, lidar_bev):
            return features

    torch.manual_seed(0)
    teacher, features = Teacher(), torch.randn(1, 4, 4, 2)
    some, _ = teacher.occ_head(features, torch.tensor([1]))
    labels = labels_of(teacher, outputs(features, some))
    assert torch.equal(labels, teacher.occ_head(features)[0].argmax(-1).to(torch.uint8))


def test_feature_term_of_a_hand_made_map():
    student = torch.zeros(1, 2, 4, 2, requires_grad=True)
    teacher = torch.zeros(1, 2, 4, 2)
    teacher[0, :, 1, 0] = torch.tensor([3.0, 1.0])  # the car's cell: x 0, y 1
    logits = torch.ones(1, 2, 4, 3, 18)
    terms = distillation_terms(
        outputs(student, logits), outputs(teacher, logits), street(), OCC3D_NUSCENES
    )
    assert terms["features/fg"].item() == pytest.approx((9 + 1) / 2)
    assert terms["features/bg"].item() == pytest.approx((9 + 1) / (2 * 2))
    assert terms["features/empty"].item() == 0
    terms["features/fg"].backward()
    assert student.grad[0, :, 1, 0].tolist() == [-3.0, -1.0]
    assert student.grad.abs().sum() == 4


def test_logit_term_is_the_angle_and_not_the_length():
    logits = torch.zeros(1, 2, 4, 3, 18)
    logits[..., 0] = 1
    turned = logits.clone()
    turned[0, 0, 1, 1] = 0  # the car's voxel
    turned[0, 0, 1, 1, :2] = 5 / math.sqrt(2)
    features = torch.zeros(1, 2, 4, 2)
    terms = distillation_terms(
        outputs(features, 3 * logits), outputs(features, turned), street(), OCC3D_NUSCENES
    )
    assert terms["logits/fg"].item() == pytest.approx(1 - math.sqrt(0.5), rel=1e-5)
    assert terms["logits/bg"].item() == pytest.approx(0, abs=1e-6)
    assert terms["logits/empty"].item() == pytest.approx(0, abs=1e-6)


def test_a_step_against_the_gradient_turns_the_logits_to_the_teacher():
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(1, 2, 4, 3, 18, generator=generator, requires_grad=True)
    teacher = outputs(torch.zeros(1, 2, 4, 2), torch.randn(1, 2, 4, 3, 18, generator=generator))

    def loss(logits):
        given = outputs(teacher.features, logits)
        terms = distillation_terms(given, teacher, street(), OCC3D_NUSCENES, stages=["logits"])
        return sum(terms.values())

    before = loss(student)
    before.backward()
    assert loss(student - student.grad) < before


def test_the_gradient_of_the_cosine_is_that_of_its_formula():
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, 6, 5, generator=generator)
    masks = [torch.ones(6, dtype=torch.bool), torch.arange(6) < 2]
    grads = []
    for cosine in (lambda s: -sum(x.numerator for x in cosine_sums(s, teacher, masks)), None):
        student = student.detach().requires_grad_()
        if cosine is not None:
            cosine(student).backward()
        else:
            values = torch.nn.functional.cosine_similarity(student, teacher, dim=-1)
            (values.sum() + values[:2].sum()).backward()
        grads.append(student.grad)
    torch.testing.assert_close(*grads)


def test_some_columns_give_the_terms_of_those_columns(vector):
    student, teacher, source = case(vector, "mixed")
    columns = torch.tensor([0, 5, 143, 144, 200, 287])
    some = [
        given._replace(logits=given.logits.flatten(0, 2)[columns]) for given in (student, teacher)
    ]
    terms = distillation_terms(*some, source, OCC3D_NUSCENES, columns=columns)
    alone = source.flatten(0, 2)[columns].view(6, 1, 1, 16)
    whole = [given._replace(logits=given.logits.view(6, 1, 1, 16, 18)) for given in some]
    expected = distillation_terms(*whole, alone, OCC3D_NUSCENES, stages=["logits"])
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value)
    everything = distillation_terms(student, teacher, source, OCC3D_NUSCENES)
    assert torch.equal(terms["features/bg"], everything["features/bg"])


def test_the_teacher_gets_no_gradient():
    teacher_map = torch.randn(1, 2, 4, 2, requires_grad=True)
    teacher_logits = torch.randn(1, 2, 4, 3, 18, requires_grad=True)
    student = outputs(torch.randn(1, 2, 4, 2, requires_grad=True), torch.randn(1, 2, 4, 3, 18))
    terms = distillation_terms(
        student, outputs(teacher_map, teacher_logits), street(), OCC3D_NUSCENES
    )
    sum(terms.values()).backward()
    assert teacher_map.grad is None
    assert teacher_logits.grad is None
    assert student.features.grad.abs().sum() > 0


def test_all_stages_that_both_have_are_compared():
    maps = {"camera_bev": torch.rand(1, 3, 4, 2), "fused_bev": torch.rand(1, 5, 4, 2)}
    features, logits = torch.rand(1, 2, 4, 2), torch.rand(1, 2, 4, 3, 18)
    student = outputs(features, logits, **maps)
    lidar = outputs(features, logits, fused_bev=maps["fused_bev"])
    both = distillation_terms(student, student, street(), OCC3D_NUSCENES)
    stages = ("camera_bev", "fused_bev", "features", "logits")
    assert list(both) == [f"{s}/{p}" for s in stages for p in ("fg", "bg", "empty")]
    assert "camera_bev/fg" not in distillation_terms(student, lidar, street(), OCC3D_NUSCENES)
    with pytest.raises(InputError, match="stage camera_bev"):
        distillation_terms(student, lidar, street(), OCC3D_NUSCENES, stages=["camera_bev"])


def test_an_adapter_bridges_different_widths_and_learns():
    logits = torch.ones(1, 2, 4, 3, 18)
    student = outputs(torch.rand(1, 3, 4, 2), logits, fused_bev=torch.rand(1, 2, 4, 2))
    teacher = outputs(torch.rand(1, 5, 4, 2), logits, fused_bev=torch.rand(1, 2, 4, 2))
    with pytest.raises(InputError, match=r"stage features.*\(1, 3, 4, 2\).*\(1, 5, 4, 2\)"):
        distillation_terms(student, teacher, street(), OCC3D_NUSCENES)
    adapters = StageAdapters(
        {"fused_bev": 2, "features": 3}, {"camera_bev": 7, "fused_bev": 2, "features": 5}
    )
    assert list(adapters.convs) == ["features"]
    terms = distillation_terms(student, teacher, street(), OCC3D_NUSCENES, adapters=adapters)
    terms["features/bg"].backward()
    assert adapters.convs["features"].weight.grad.abs().sum() > 0


def test_widths_of_the_stages_of_presets():
    camera = {"camera_bev": 64, "fused_bev": 64, "features": 512}
    assert stage_channels(load_preset("student_r50")) == camera
    assert stage_channels(load_preset("fusion_r18")) == camera | {"fused_bev": 256}
    tiny = {"camera_bev": 32, "fused_bev": 64, "features": 128}
    assert stage_channels(load_preset("fusion_tiny")) == tiny
    assert stage_channels(load_preset("vision_tiny")) == tiny
    assert list(stage_channels(load_preset("lidar_tiny"))) == ["fused_bev", "features"]


def test_a_part_that_does_not_occur_costs_nothing(vector):
    student, teacher, _ = case(vector, "mixed")
    free = torch.full_like(vector["voxel_semantics"], FREE)
    terms = distillation_terms(student, teacher, free, OCC3D_NUSCENES)
    assert terms["features/fg"] == terms["logits/bg"] == 0
    assert terms["features/empty"] > 0
