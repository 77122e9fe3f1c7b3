# SPDX-License-Identifier: Apache-2.0
import pickle

import numpy as np
import pytest
from helpers.vectors import FOLDER

from effocc_ros.classes import OCC3D_NUSCENES, OPENOCC_FLOW, OPENOCCUPANCY
from effocc_ros.errors import InputError
from effocc_ros.evaluation.miou import Confusion, confusion_of
from effocc_ros.occupancy import ClassList

THREE = ClassList("three", ("car", "road", "free"), ((0, 0, 0),) * 3, free=2)


def row(*labels):
    return np.array(labels, np.uint8).reshape(-1, 1, 1)


@pytest.fixture(scope="module")
def vector():
    return np.load(FOLDER / "e_metrics.npz")


def test_rows_are_truth_and_columns_are_prediction():
    confusion = confusion_of(row(0, 1, 1, 2), row(0, 0, 1, 2), THREE)
    assert confusion.counts.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    np.testing.assert_allclose(confusion.iou(), [1 / 2, 1 / 2, 1])
    assert confusion.mean_iou() == 0.5


def test_a_class_that_never_occurs_is_left_out_of_the_mean():
    confusion = confusion_of(row(0, 0, 2), row(0, 2, 2), THREE)
    assert np.isnan(confusion.iou()[1])
    assert confusion.mean_iou() == 0.5
    assert np.isnan(Confusion.empty(THREE).mean_iou())


def test_only_masked_voxels_count():
    mask = row(1, 0, 0, 1).astype(bool)
    confusion = confusion_of(row(0, 1, 1, 2), row(0, 0, 1, 2), THREE, mask)
    assert confusion.counts.sum() == 2
    assert confusion.mean_iou() == 1


def test_frames_add_up_in_any_order_and_across_processes():
    parts = [confusion_of(row(0, 1, n), row(n, 1, 2), THREE) for n in (0, 1, 2)]
    travelled = [pickle.loads(pickle.dumps(part)) for part in reversed(parts)]
    forth, back = (sum(some, Confusion.empty(THREE)) for some in (parts, travelled))
    np.testing.assert_array_equal(forth.counts, back.counts)
    assert forth.frames == 3
    assert forth.counts.sum() == 9


def test_shapes_that_differ_are_both_named():
    with pytest.raises(InputError, match=r"found shape \(2, 1, 1\); expected \(3, 1, 1\)"):
        confusion_of(row(0, 1), row(0, 1, 2), THREE)
    with pytest.raises(InputError, match="mask"):
        confusion_of(row(0, 1), row(0, 1), THREE, mask=np.ones((3, 1, 1), bool))


def test_labels_outside_the_classes_are_named_with_their_side():
    with pytest.raises(
        InputError, match="labels of the prediction: found 0 to 3; expected 0 to 2"
    ):
        confusion_of(row(0, 3), row(0, 1), THREE)
    with pytest.raises(InputError, match="labels of the truth: found 1 to 255"):
        confusion_of(row(0, 1), row(255, 1), THREE)


def test_matrices_of_other_classes_do_not_add_up():
    with pytest.raises(InputError, match=r"17 classes of openoccupancy.*3 classes of three"):
        Confusion.empty(THREE) + Confusion.empty(OPENOCCUPANCY)


def test_vector_e_with_the_camera_mask(vector):
    masks = np.unpackbits(vector["mask_camera"]).reshape(vector["gt"].shape).astype(bool)
    total = Confusion.empty(OCC3D_NUSCENES)
    for prediction, truth, mask in zip(vector["pred"], vector["gt"], masks, strict=True):
        total = total + confusion_of(prediction, truth, OCC3D_NUSCENES, mask)
    np.testing.assert_array_equal(total.counts, vector["miou_hist"])
    np.testing.assert_allclose(total.iou(), vector["miou_per_class"], atol=1e-12)
    assert round(100 * total.mean_iou(), 2) == vector["miou_percent"]


def test_vector_e_without_a_mask(vector):
    total = confusion_of(vector["pred"], vector["gt"], OCC3D_NUSCENES)
    np.testing.assert_allclose(total.iou(), vector["miou_nomask_per_class"], atol=1e-12)


def test_noise_is_skipped_and_geometry_does_not_ask_for_the_class():
    truth, prediction = row(0, 4, 4, 11, 255, 255), row(0, 4, 11, 0, 4, 16)
    confusion = confusion_of(prediction, truth, OPENOCCUPANCY, ignore=255)
    # Something where something is: 2 of 3. car 1 of 2, driveable_surface 0 of 2.
    assert confusion.geometric_iou() == pytest.approx(2 / 3)
    assert confusion.mean_iou() == pytest.approx((1 / 2 + 0) / 2)
    assert confusion.counts.sum() == 4
    assert (confusion + confusion).geometric_iou() == confusion.geometric_iou()


def test_false_alarms_cost_geometry_and_where_all_is_free_there_is_no_score():
    assert confusion_of(row(0, 1, 2, 2), row(0, 2, 1, 2), THREE).geometric_iou() == 1 / 3
    assert np.isnan(confusion_of(row(2), row(2), THREE).geometric_iou())


def test_an_output_that_stands_for_no_class_is_wrong_but_has_no_score():
    (spare,) = OPENOCC_FLOW.unused
    confusion = confusion_of(row(0, 0, spare, 1), row(0, 0, 0, 1), OPENOCC_FLOW)
    # A class of its own would make it (2/3 + 1 + 0) / 3.
    assert confusion.mean_iou() == pytest.approx((2 / 3 + 1) / 2)
    assert np.isnan(confusion.iou()[spare])
    assert len(OPENOCC_FLOW.scored) == 16


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, np.uint64])
def test_integers_of_every_size_are_labels(dtype):
    wide = confusion_of(row(0, 1, 2).astype(dtype), row(0, 1, 1).astype(dtype), THREE)
    assert wide.counts.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
    assert confusion_of(row(0, 1, 2).astype(dtype), row(0, 1, 1), THREE).counts.sum() == 3


@pytest.mark.parametrize("dtype", [np.float32, bool])
def test_scores_and_masks_are_not_taken_for_labels(dtype):
    wrong, right = row(0, 1, 1).astype(dtype), row(0, 1, 1)
    for pair in ((wrong, right), (right, wrong)):
        with pytest.raises(InputError, match=f"found dtype {np.dtype(dtype)}; expected integers"):
            confusion_of(*pair, THREE)
