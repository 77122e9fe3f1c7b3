# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from effocc_ros.geometry import VoxelGrid
from effocc_ros.visualization.chase_view import look_at
from effocc_ros.visualization.faces import exposed_faces
from effocc_ros.visualization.voxel_painter import NEAR, View, clip_near, paint_voxels

GRID = VoxelGrid((-10.0, -10.0, -1.0), (1.0, 1.0, 1.0), (20, 20, 2))
PALETTE = np.array([(200, 0, 0), (0, 200, 0), (255, 255, 255)], np.uint8)
FREE = 2
FORWARD = View(
    np.array([[100.0, 0, 100], [0, 100, 50], [0, 0, 1]]), look_at((0.0, 0, 0), (1.0, 0, 0))
)


def paint(*cells, opacity=1.0, view=FORWARD):
    labels = np.full(GRID.shape, FREE, np.uint8)
    for cell, label in cells:
        labels[cell] = label
    sky = np.full((100, 200, 3), 50, np.uint8)
    return paint_voxels(sky, exposed_faces(labels, FREE), GRID, PALETTE, view, opacity=opacity)


def test_a_voxel_is_painted_where_the_pinhole_puts_it():
    # x 5..6, y 0..1 (left of the axis), z 0..1 (above it): its near face covers columns
    # 100 - 100/5 .. 100 and rows 50 - 100/5 .. 50.
    red = paint(((15, 10, 1), 0))[..., 0] > 100
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    np.testing.assert_allclose((rows[0], rows[-1]), (30, 50), atol=1)
    np.testing.assert_allclose((columns[0], columns[-1]), (80, 100), atol=1)


def test_the_nearer_voxel_hides_the_farther():
    picture = paint(((13, 10, 1), 0), ((18, 10, 1), 1))
    assert picture[40, 90].argmax() == 0
    assert not (picture[..., 1] > picture[..., 0]).any()


def test_the_picture_shines_through():
    np.testing.assert_allclose(
        paint(((15, 10, 1), 0), opacity=0.5)[40, 90],
        (paint(((15, 10, 1), 0))[40, 90].astype(float) + 50) / 2,
        atol=1,
    )


def test_what_is_behind_the_camera_is_not_painted():
    assert (paint(((3, 10, 1), 0)) == 50).all()


def test_ground_that_passes_under_the_camera_is_cut_at_the_near_plane():
    # The nearest voxels reach from 0 to 1 m ahead and 0.25 m below: without a cut their near
    # corners would divide by zero.
    view = View(FORWARD.intrinsics, look_at((0.0, 0, 0.25), (1.0, 0, 0.25)))
    ground = [((x, y, 0), 1) for x in (10, 11) for y in (9, 10)]
    picture = paint(*ground, view=view)
    assert (picture[80:, :, 1] > 100).all()
    assert (picture[:60] == 50).all()


def test_clipping_keeps_the_part_beyond_the_plane():
    square = np.array([(0.0, 0, 0), (1, 0, 0), (1, 0, 2), (0, 0, 2)])
    cut = clip_near(square)
    assert cut[:, 2].min() == pytest.approx(NEAR)
    assert cut[:, 2].max() == 2
    assert len(cut) == 4
    far = square + np.array((0, 0, 5))
    np.testing.assert_allclose(clip_near(far), far)
