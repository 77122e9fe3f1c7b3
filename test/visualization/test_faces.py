# SPDX-License-Identifier: Apache-2.0
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from effocc_ros.geometry import VoxelGrid
from effocc_ros.visualization.faces import back_to_front, exposed_faces

FREE = 17
GRID = VoxelGrid((-2.0, -2.0, -1.0), (0.5, 0.5, 0.5), (8, 8, 4))


def blocks(*cells):
    labels = np.full(GRID.shape, FREE, np.uint8)
    for cell in cells:
        labels[cell] = 4
    return labels


def test_a_lone_voxel_has_six_faces_and_two_neighbours_have_ten():
    assert len(exposed_faces(blocks((3, 3, 1)), FREE)) == 6
    assert len(exposed_faces(blocks((3, 3, 1), (4, 3, 1)), FREE)) == 10


def test_faces_at_the_border_of_the_grid_are_exposed():
    assert len(exposed_faces(np.zeros(GRID.shape, np.uint8), FREE)) == 2 * (64 + 32 + 32)


def test_corners_go_around_the_upper_x_face():
    faces = exposed_faces(blocks((4, 4, 2)), FREE)
    upper_x = faces.take((faces.axis == 0) & (faces.side == 1))
    expected = [(0.5, 0, 0), (0.5, 0.5, 0), (0.5, 0.5, 0.5), (0.5, 0, 0.5)]
    np.testing.assert_allclose(upper_x.corners(GRID), [expected])


def test_from_a_corner_three_faces_of_a_voxel_are_seen():
    seen = back_to_front(exposed_faces(blocks((4, 4, 2)), FREE), np.array([9.0, 9.0, 9.0]), GRID)
    assert seen.side.tolist() == [1, 1, 1]
    assert sorted(seen.axis) == [0, 1, 2]


@given(
    solid=arrays(bool, GRID.shape),
    eye=st.tuples(st.floats(-4, 4), st.floats(-4, 4), st.floats(-3, 3)),
    target=st.tuples(st.floats(-2, 2), st.floats(-2, 2), st.floats(-1, 1)),
)
def test_the_first_voxel_on_a_ray_is_painted_last(solid, eye, target):
    labels = np.where(solid, np.uint8(4), np.uint8(FREE))
    faces = back_to_front(exposed_faces(labels, FREE), np.array(eye), GRID)
    order = {}
    for position, index in enumerate(faces.index.tolist()):
        order[tuple(index)] = position
    steps = np.linspace(np.array(eye), 3 * np.array(target) - 2 * np.array(eye), 3000)
    index, inside = GRID.index(steps)
    passed = list(dict.fromkeys(map(tuple, index[inside].tolist())))
    painted = [order[cell] for cell in passed if cell in order]
    assert painted == sorted(painted, reverse=True)
