# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from helpers.drives import write_labels

from effocc_ros.datasets import occ3d_nuscenes, openocc_flow, openoccupancy
from effocc_ros.errors import InputError

SHAPE = (200, 200, 16)


def refused(read, path) -> InputError:
    with pytest.raises(InputError) as caught:
        read(path)
    assert caught.value.what == f"file {path}"
    return caught.value


def test_occ3d_labels_and_masks_keep_their_axes(tmp_path):
    path = tmp_path / "labels.npz"
    write_labels(path, seed=7)
    labels = occ3d_nuscenes.read_labels(path)
    assert labels.semantics.dtype == np.uint8
    assert labels.semantics[107, 120, 5] == 4
    assert labels.mask_lidar.dtype == labels.mask_camera.dtype == bool
    assert labels.mask_lidar[0, 150].all()
    assert not labels.mask_lidar[150, 0].any()
    assert (labels.mask_camera ^ labels.mask_lidar).all()


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({"semantics": None}, "arrays mask_camera, mask_lidar"),
        ({"semantics": np.zeros((200, 200), np.uint8)}, "semantics of shape (200, 200)"),
        ({"mask_lidar": np.zeros((16, 200, 200), np.uint8)}, "mask_lidar of shape"),
        ({"semantics": np.full(SHAPE, 18, np.uint8)}, "labels from 18 to 18"),
        ({"semantics": np.full(SHAPE, -1, np.int32)}, "labels from -1 to -1"),
        ({"semantics": np.zeros(SHAPE, np.float32)}, "labels of type float32"),
        ({"mask_camera": np.full(SHAPE, 2, np.uint8)}, "mask_camera of type uint8, from 2"),
    ],
)
def test_other_arrays_shapes_or_labels_are_refused_and_named(tmp_path, other, found):
    path = tmp_path / "labels.npz"
    write_labels(path, **other)
    assert refused(occ3d_nuscenes.read_labels, path).found.startswith(found)


@pytest.mark.parametrize(
    "absent", [("mask_camera",), ("mask_lidar",), ("mask_lidar", "mask_camera")]
)
def test_masks_that_others_labels_lack_are_none_and_said_once(tmp_path, caplog, absent):
    for token in "ab":
        (tmp_path / token).mkdir()
        path = tmp_path / token / "labels.npz"
        write_labels(path, seed=7, **dict.fromkeys(absent))
        labels = occ3d_nuscenes.read_labels(path)
        assert labels.semantics[107, 120, 5] == 4
        masks = {"mask_lidar": labels.mask_lidar, "mask_camera": labels.mask_camera}
        assert tuple(name for name, mask in masks.items() if mask is None) == absent
    assert caplog.text.count(f"no {', '.join(absent)}; every voxel") == 1


def test_flow_labels_keep_their_axes(tmp_path):
    path = tmp_path / "labels.npz"
    semantics = np.full(SHAPE, 16, np.int32)
    semantics[10, 20, 3] = 5
    flow = np.zeros((*SHAPE, 2), np.float32)
    flow[10, 20, 3] = (1.5, -2.0)
    np.savez(path, semantics=semantics, flow=flow, instances=np.zeros(SHAPE, np.uint8))
    labels = openocc_flow.read_labels(path)
    assert labels.semantics.dtype == np.uint8
    assert np.argwhere(labels.semantics != 16).tolist() == [[10, 20, 3]]
    assert labels.flow[10, 20, 3].tolist() == [1.5, -2.0]
    assert labels.mask_camera is labels.mask_lidar is None


def test_flow_labels_never_use_the_heads_spare_class(tmp_path):
    path = tmp_path / "labels.npz"
    np.savez(path, semantics=np.full(SHAPE, 17), flow=np.zeros((*SHAPE, 2), np.float32))
    assert refused(openocc_flow.read_labels, path).found == "labels from 17 to 17"


def test_openoccupancy_rows_are_z_y_x_and_the_most_frequent_class_wins(tmp_path):
    path = tmp_path / "a.npy"
    rows = [(39, 2, 500, 4)] + [(0, 1, 3, 7)] + [(0, 1, 3, 11)] * 2 + [(5, 5, 5, 0)]
    np.save(path, np.array(rows, np.uint16))
    labels = openoccupancy.read_labels(path).semantics
    assert labels.shape == (512, 512, 40)
    assert np.argwhere(labels).tolist() == [[3, 1, 0], [5, 5, 5], [500, 2, 39]]
    assert [labels[3, 1, 0], labels[5, 5, 5], labels[500, 2, 39]] == [11, 255, 4]


def test_openoccupancy_ties_go_to_the_lowest_class_and_noise_comes_last(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([(0, 0, 0, 9), (0, 0, 0, 3), (1, 0, 0, 0), (1, 0, 0, 16)]))
    labels = openoccupancy.read_labels(path).semantics
    assert (labels[0, 0, 0], labels[0, 0, 1]) == (3, 16)


def test_openoccupancy_rows_may_hold_velocities(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([(1, 2, 3, 0.5, -0.5, 0.0, 6)], np.float32))
    assert openoccupancy.read_labels(path).semantics[3, 2, 1] == 6


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (np.zeros((5, 3)), "shape (5, 3)"),
        (np.zeros((0, 4)), "array of shape (0, 4)"),
        (np.array([(40, 0, 0, 1)]), "voxels up to (0, 0, 40)"),
        (np.array([(0, 0, 512, 1)]), "voxels up to (512, 0, 0)"),
        (np.array([(0, 0, 0, 17)]), "class 17"),
    ],
)
def test_openoccupancy_files_of_another_kind_are_refused(tmp_path, rows, found):
    path = tmp_path / "a.npy"
    np.save(path, rows)
    assert refused(openoccupancy.read_labels, path).found.startswith(found)


def test_a_recorded_occ3d_label_has_its_road_below_and_along_x(data_dir):
    labels = occ3d_nuscenes.read_labels(data_dir / "occupancy_vis_demo/3D_occupancy_data.npz")
    classes = occ3d_nuscenes.SPACE.classes.names
    road, car = (np.argwhere(labels.semantics == classes.index(c)) for c in _ROAD_AND_CAR)
    assert np.median(road[:, 2]) == 2
    assert car[:, 2].max() <= 5
    # Cars queue up and down the road that the vehicle is on.
    assert car[:, 0].std() > 3 * car[:, 1].std()
    assert classes[labels.semantics[100, 100, 2]] == "driveable_surface"
    assert (labels.semantics != 17).sum() == 31107
    assert (labels.mask_lidar.sum(), labels.mask_camera.sum()) == (107649, 100520)


_ROAD_AND_CAR = ("driveable_surface", "car")


def test_an_early_export_of_occ3d_opens_too(data_dir):
    folder = data_dir / "occ3d_label_scene1077"
    labels = occ3d_nuscenes.read_labels(next(folder.glob("*/labels.npz")))
    assert np.bincount(labels.semantics.ravel())[[11, 15, 16]].tolist() == [8433, 5286, 18699]


def test_recorded_flow_points_along_the_car_that_moves(data_dir):
    labels = openocc_flow.read_labels(data_dir / "occupancy_vis_demo/3D_occupancy_flow_data.npz")
    names = openocc_flow.SPACE.classes.names
    speed = np.linalg.norm(labels.flow, axis=-1)
    car = (labels.semantics == names.index("car")) & (speed > 0.5)
    place = np.argwhere(car)[:, :2]
    _, axes = np.linalg.eigh(np.cov(place.T))
    direction = labels.flow[car].mean(0) / speed[car].mean()
    # A car drives along its length: x and y of the flow are those of the grid.
    assert abs(axes[:, 1] @ direction) > 0.95
    assert abs(axes[::-1, 1] @ direction) < 0.5
    assert np.median(np.argwhere(labels.semantics == names.index("driveable_surface"))[:, 2]) < 3
    assert not labels.flow[labels.semantics == 16].any()
