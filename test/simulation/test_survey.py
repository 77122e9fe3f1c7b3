import numpy as np

from effocc_ros.geometry import VoxelGrid
from effocc_ros.simulation.masks import mark
from effocc_ros.simulation.survey import Returns, Survey

GRID = VoxelGrid((-10.0, -10.0, -1.0), (0.4, 0.4, 0.4), (50, 50, 16))
HEIGHT = (-1.4, 5.8)


def ahead(metres):
    pose = np.eye(4)
    pose[0, 3] = metres
    return pose


def test_what_was_seen_from_one_place_is_known_at_another():
    wall = np.array([[8.05, y, z] for y in np.arange(-6, 6, 0.1) for z in np.arange(0, 3, 0.1)])
    returns = Returns(wall, np.full(len(wall), 15, np.uint8))
    survey = Survey([(np.array([0.0, 0.0, 1.8]), returns)], HEIGHT)
    seen = survey.observed(GRID, ahead(3.0))
    hit = mark(GRID, wall - [3.0, 0, 0])
    assert hit.any()
    assert seen[hit].all()
    assert seen[30, 25, 6]  # between the place and the wall
    assert not seen[40, 25, 6]  # behind the wall


def test_returns_of_all_sweeps_come_back_in_the_frame_of_the_car():
    first = Returns(np.array([[5.0, 1.0, 0.0], [200.0, 0.0, 0.0]]), np.array([4, 15], np.uint8))
    second = Returns(np.array([[7.0, -1.0, 0.5]]), np.array([11], np.uint8))
    origins = np.array([[0.0, 0.0, 1.8], [2.0, 0.0, 1.8]])
    survey = Survey([(origins[0], first), (origins[1], second)], HEIGHT)
    returns = survey.returns(ahead(2.0))
    np.testing.assert_allclose(returns.points, [[3.0, 1.0, 0.0], [5.0, -1.0, 0.5]])
    np.testing.assert_array_equal(returns.label, [4, 11])  # what is far away is left out
