# SPDX-License-Identifier: Apache-2.0
import dataclasses

import cv2
import numpy as np
import pytest

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.errors import InputError
from effocc_ros.frame import NUSCENES_CAMERAS, Camera, Frame, PointCloud
from effocc_ros.geometry import OCC3D_GRID, rigid
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.visualization import draw_overview, write_overview
from effocc_ros.visualization.birds_eye import draw_birds_eye
from effocc_ros.visualization.chase_view import draw_chase_view, look_at

CAR, ROAD, FREE = 4, 11, 17


def frame(cameras=NUSCENES_CAMERAS, shape=(90, 160, 3)):
    headings = dict(zip(NUSCENES_CAMERAS, (55, 0, -55, 110, 180, -110), strict=True))
    made = []
    for name in cameras:
        yaw = np.deg2rad(headings.get(name, 0))
        pose = look_at((1.0, 0, 1.5), (1 + np.cos(yaw), np.sin(yaw), 1.5))
        height, width = shape[:2]
        intrinsics = np.array(
            [[width * 0.8, 0, width / 2], [0, width * 0.8, height / 2], [0, 0, 1]]
        )
        image = np.full(shape, 120, np.uint8)
        made.append(Camera(name, image, intrinsics, pose, np.eye(4), 0))
    cloud = PointCloud(np.zeros((0, 5), np.float32), rigid((1, 0, 0, 0), (1, 0, 1.8)))
    return Frame(1_532_402_927_647_951_000, "base_link", tuple(made), cloud, np.eye(4))


def occupancy(labels=None, **values):
    if labels is None:
        labels = np.full(OCC3D_GRID.shape, FREE, np.uint8)
        labels[:, :, 0] = ROAD
        labels[120:130, 110:116, 2:6] = CAR
    said = {"model": "fusion_r18", "mode": "fusion", **values}
    return SemanticOccupancy(0, "base_link", OCC3D_GRID, labels, OCC3D_NUSCENES, **said)


def test_the_page_is_wide_and_truth_adds_a_row():
    alone = draw_overview(frame(), occupancy())
    both = draw_overview(frame(), occupancy(), occupancy())
    assert alone.shape[1:] == (2400, 3)
    assert alone.dtype == np.uint8
    assert both.shape[0] > alone.shape[0] + 700


def test_labels_alone_are_drawn_once_and_called_true():
    labels = occupancy(trained=True)
    alone = draw_overview(frame(), labels, labels)
    predicted = draw_overview(frame(), labels)
    assert alone.shape == predicted.shape
    assert (alone[:76] != predicted[:76]).any()


def test_random_weights_are_said_in_the_title():
    assert (
        draw_overview(frame(), occupancy())[:76]
        != draw_overview(frame(), occupancy(trained=True))[:76]
    ).any()


def test_a_silent_camera_leaves_an_empty_tile():
    page = draw_overview(frame(cameras=NUSCENES_CAMERAS[1:]), occupancy())
    full = draw_overview(frame(), occupancy())
    assert page.shape == full.shape
    # Below the camera's name and above the words in the middle.
    assert page[120:220, 100:600].max() < 40 < full[120:220, 100:600].max()


def test_voxels_change_only_the_camera_that_sees_them():
    empty = occupancy(np.full(OCC3D_GRID.shape, FREE, np.uint8))
    labels = empty.labels.copy()
    labels[125:127, 99:101, 4:8] = CAR
    page, blank = draw_overview(frame(), occupancy(labels)), draw_overview(frame(), empty)
    changed = (page != blank).any(axis=2)
    third = 2400 // 3
    tiles = [changed[80:500, column * third : (column + 1) * third].any() for column in range(3)]
    assert tiles == [False, True, False]


def test_an_odd_rig_is_laid_out_in_threes_and_a_frame_without_cameras_has_no_tiles():
    odd = draw_overview(frame(cameras=("a", "b", "c", "d"), shape=(100, 100, 3)), occupancy())
    none = draw_overview(frame(cameras=()), occupancy())
    assert odd.shape[0] == none.shape[0] + 2 * (441 + 12)


def test_truth_of_another_grid_is_refused():
    other = dataclasses.replace(OCC3D_GRID, shape=(100, 200, 16))
    truth = dataclasses.replace(
        occupancy(), grid=other, labels=np.full(other.shape, FREE, np.uint8)
    )
    with pytest.raises(InputError, match="truth, grid"):
        draw_overview(frame(), occupancy(), truth)


def test_the_file_holds_the_picture_in_rgb(tmp_path):
    write_overview(tmp_path / "page.png", frame(), occupancy())
    read = cv2.imread(str(tmp_path / "page.png"))[..., ::-1]
    np.testing.assert_array_equal(read, draw_overview(frame(), occupancy()))
    assert [file.name for file in tmp_path.iterdir()] == ["page.png"]


def test_from_above_forward_is_up_and_left_is_left():
    labels = np.full(OCC3D_GRID.shape, FREE, np.uint8)
    labels[190:, 190:, 3] = CAR
    picture = draw_birds_eye(occupancy(labels), 400)
    assert picture[5, 5].argmax() == 2
    assert picture[5, 5, 2] > 150
    assert picture[-5, 5].max() < 60
    assert picture[5, -5].max() < 60


def test_the_vehicle_is_drawn_white_behind_the_follower_but_never_over_a_voxel():
    empty = np.full(OCC3D_GRID.shape, FREE, np.uint8)
    white = (draw_chase_view(occupancy(empty), (300, 400), np.eye(4)) > 240).all(axis=2)
    rows, columns = np.nonzero(white)
    assert 150 < rows.mean() < 200
    assert 190 < columns.mean() < 210
    full = draw_chase_view(occupancy(np.full_like(empty, CAR)), (300, 400), np.eye(4))
    assert not (full > 240).all(axis=2).any()
