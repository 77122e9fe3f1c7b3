# SPDX-License-Identifier: Apache-2.0
import numpy as np

from effocc_ros.geometry import VoxelGrid
from effocc_ros.simulation.mesh import Paint, box, concatenate, quads
from effocc_ros.simulation.occupancy import TrueOccupancy
from effocc_ros.simulation.raycast import Surface
from effocc_ros.simulation.survey import Returns

CAR, ROAD, WALK, FREE = 4, 11, 13, 17
GRID = VoxelGrid((-4.0, -4.0, -1.0), (0.4, 0.4, 0.4), (20, 20, 16))
BORDER = (10, slice(None), 2)
"""Voxels from x = 0 to 0.4: road as far as x = 0.3, sidewalk beyond."""


def flat(x0, x1, label):
    return quads([[[x0, -4, 0], [x1, -4, 0], [x1, 4, 0], [x0, 4, 0]]], Paint(label))


def labels(*returns, agents=()):
    ground = Surface(concatenate([flat(-4, 0.3, ROAD), flat(0.3, 4, WALK)]))
    truth = TrueOccupancy(ground, np.eye(4)[None], grid=GRID)
    points = np.array([point for point, _ in returns], float).reshape(-1, 3)
    classes = np.array([label for _, label in returns], np.uint8)
    return truth.labels(np.eye(4), agents, Returns(points, classes))


def test_a_voxel_of_two_classes_gets_the_one_with_more_area():
    found = labels()
    assert (found[BORDER] == ROAD).all()
    assert (found[9, :, 2] == ROAD).all()
    assert (found[11, :, 2] == WALK).all()
    assert (found[:, :, [1, 3]] == FREE).all()


def test_lidar_returns_decide_a_voxel_of_two_classes():
    within = (0.35, 0.1, 0.0)
    found = labels((within, WALK), (within, WALK), (within, ROAD))
    assert found[10, 10, 2] == WALK
    assert found[10, 9, 2] == found[10, 11, 2] == ROAD


def test_returns_of_other_times_do_not_drive_out_what_moves_through():
    car = Surface(box((0.2, 0.2, 0.0), (0.3, 0.3, 0.3), Paint(CAR)))
    returns = [((0.35, 0.1, 0.0), WALK), ((0.35, 0.5, 0.0), WALK)]
    found = labels(*returns, agents=[(car, np.eye(4))])
    assert found[10, 10, 2] == CAR
    assert found[10, 11, 2] == WALK


def test_lidar_returns_neither_fill_a_voxel_nor_change_one_of_a_single_class():
    found = labels(((-2.0, 0.1, 0.0), WALK), ((-2.0, 0.1, 1.0), ROAD), ((99.0, 0.1, 0.0), WALK))
    np.testing.assert_array_equal(found, labels())
