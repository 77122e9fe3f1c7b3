# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest
from helpers.deterministic_fill import stream
from helpers.vectors import FOLDER

from effocc_ros.classes import OCC3D_NUSCENES, OPENOCC_FLOW, OPENOCCUPANCY
from effocc_ros.errors import InputError
from effocc_ros.evaluation.raycast import cast, lidar_directions
from effocc_ros.evaluation.rayiou import STEPS, RayCounts, ray_counts
from effocc_ros.geometry import OCC3D_GRID, VoxelGrid

CAR, ROAD, FREE = 4, 11, 17
MIDDLE = np.array([[0.0, 0.0, 1.8]])
CASES = {
    "occ3d18": (OCC3D_NUSCENES, lambda labels: labels),
    "openocc17": (OPENOCC_FLOW, lambda labels: np.minimum(labels, 16)),
}


def street(shift=0):
    labels = np.full(OCC3D_GRID.shape, FREE, np.uint8)
    labels[:, :, 2] = ROAD
    labels[:, :30, 2:14] = labels[:, -30:, 2:14] = 15
    labels[120 + shift : 132 + shift, 96:104, 3:8] = CAR
    return labels


@pytest.fixture(scope="module")
def vector():
    return np.load(FOLDER / "e_metrics.npz")


def flow(name):
    shape = (*OCC3D_GRID.shape, 2)
    return (2 * stream(name, int(np.prod(shape))) - 1).astype(np.float32).reshape(shape)


@pytest.mark.parametrize("case", CASES)
def test_the_rays_of_vector_e_end_in_the_same_voxels(vector, case):
    classes, labels_of = CASES[case]
    prediction, truth = labels_of(vector["pred"][0]), labels_of(vector["gt"][0])
    origin = vector["origins0"][0]
    hits = cast(
        prediction != classes.free, truth != classes.free, OCC3D_GRID, origin, lidar_directions()
    )
    for hit, labels, name in zip(hits, (prediction, truth), ("pred", "gt"), strict=True):
        expected = vector[f"{case}.{name}_sample0_first_origin"]
        assert (labels.ravel()[hit.voxel] != expected[:, 0]).sum() <= 3
        assert (np.abs(hit.depth - expected[:, 1]) > 1e-4).sum() <= 3


@pytest.mark.parametrize("case", CASES)
def test_the_scores_of_vector_e(vector, case):
    classes, labels_of = CASES[case]
    total = RayCounts.empty(classes)
    for number in range(2):
        prediction, truth = (labels_of(vector[key][number]) for key in ("pred", "gt"))
        flows = flow(f"e.flowp{number}"), flow(f"e.flowg{number}")
        origins = vector[f"origins{number}"]
        counts = ray_counts(prediction, truth, origins, classes, flows=flows)
        assert abs(counts.truth.sum() - vector[f"{case}.num_valid_rays"][number]) <= 3
        total = total + counts
    scored = list(classes.scored)
    np.testing.assert_allclose(total.iou()[:, scored], vector[f"{case}.iou_at_1_2_4"], atol=1e-6)
    assert total.ray_iou() == pytest.approx(vector[f"{case}.RayIoU"], abs=1e-6)
    np.testing.assert_allclose(total.velocity_errors()[scored], vector[f"{case}.ave"], atol=1e-6)
    assert total.score() == pytest.approx(vector[f"{case}.occ_score"], abs=1e-6)
    assert total.frames == 2


def test_an_output_that_stands_for_no_class_is_wrong_but_has_no_score():
    truth = np.full(OCC3D_GRID.shape, OPENOCC_FLOW.free, np.uint8)
    truth[:, :, 2] = 10
    prediction = truth.copy()
    (spare,) = OPENOCC_FLOW.unused
    prediction[110:120, 90:110, 2] = spare
    counts = ray_counts(prediction, truth, MIDDLE, OPENOCC_FLOW)
    assert counts.prediction[spare] > 0
    # Only the road is there: its share of hits, not the mean with a class that does not exist.
    assert counts.ray_iou() == pytest.approx(counts.iou()[0, 10])
    assert 0.5 < counts.ray_iou() < 1


def test_the_truth_scores_one():
    counts = ray_counts(street(), street(), MIDDLE, OCC3D_NUSCENES)
    assert counts.ray_iou() == 1
    assert set(np.flatnonzero(counts.truth)) == {CAR, ROAD, 15}


def test_a_car_half_a_metre_off_is_right_and_three_metres_off_is_right_at_four():
    near = ray_counts(street(1), street(), MIDDLE, OCC3D_NUSCENES).iou()[:, CAR]
    far = ray_counts(street(8), street(), MIDDLE, OCC3D_NUSCENES).iou()[:, CAR]
    assert near.min() > 0.5
    assert far[0] < 0.1 < 0.3 < far[2]


def test_rays_that_meet_nothing_true_do_not_count():
    nothing = np.full(OCC3D_GRID.shape, FREE, np.uint8)
    counts = ray_counts(street(), nothing, MIDDLE, OCC3D_NUSCENES)
    assert counts.truth.sum() == counts.prediction.sum() == 0
    assert np.isnan(counts.ray_iou())


def test_counts_add_up():
    first = ray_counts(street(1), street(), MIDDLE, OCC3D_NUSCENES)
    both = first + ray_counts(street(), street(), MIDDLE, OCC3D_NUSCENES)
    assert both.frames == 2
    assert both.truth.sum() == 2 * first.truth.sum()
    assert first.ray_iou() < both.ray_iou() < 1
    with pytest.raises(InputError, match="classes of openoccupancy"):
        first + RayCounts.empty(OPENOCCUPANCY)


def test_bad_input_is_named():
    with pytest.raises(InputError, match=r"prediction: found shape \(100, 200, 16\)"):
        ray_counts(street()[:100], street(), MIDDLE, OCC3D_NUSCENES)
    with pytest.raises(InputError, match="labels of the prediction: found 4 to 200"):
        ray_counts(
            np.where(street() == FREE, np.uint8(200), street()), street(), MIDDLE, OCC3D_NUSCENES
        )
    grid = replace(OCC3D_GRID, voxel_size=(0.4, 0.4, 0.2))
    with pytest.raises(InputError, match="expected cubes"):
        ray_counts(street(), street(), MIDDLE, OCC3D_NUSCENES, grid)


@pytest.mark.parametrize("dtype", [np.int8, np.uint64])
def test_integers_of_every_size_give_the_same_rays(dtype):
    labels = np.full(OCC3D_GRID.shape, OCC3D_NUSCENES.free, np.uint8)
    labels[:, :, 0] = 11
    narrow = ray_counts(labels, labels, np.zeros((1, 3)), OCC3D_NUSCENES)
    wide = labels.astype(dtype)
    np.testing.assert_array_equal(
        ray_counts(wide, wide, np.zeros((1, 3)), OCC3D_NUSCENES).hits, narrow.hits
    )
    with pytest.raises(InputError, match="expected integers"):
        ray_counts(labels.astype(np.float32), labels, np.zeros((1, 3)), OCC3D_NUSCENES)


def test_sums_of_flow_errors_do_not_depend_on_their_order():
    rng = np.random.default_rng(0)
    labels = np.full((20, 20, 2), FREE, np.uint8)
    labels[15] = CAR
    grid = VoxelGrid((-4.0, -4.0, -0.4), (0.4, 0.4, 0.4), labels.shape)
    flows = (rng.normal(size=(*labels.shape, 2)), rng.normal(size=(*labels.shape, 2)))
    frames = [
        ray_counts(labels, labels, [(x, 0.1, 0.1)], OCC3D_NUSCENES, grid, flows)
        for x in (0.1, 0.7, 1.1)
    ]
    one, two, three = (frame.flow_error for frame in frames)
    assert one[CAR] > 0
    assert np.array_equal((one + two) + three, one + (two + three))
    assert all(frame.flow_error[CAR] * STEPS % 1 == 0 for frame in frames)
