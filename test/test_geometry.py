# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from effocc_ros.geometry import (
    OCC3D_GRID,
    interpolate_rigid,
    inverse_rigid,
    rigid,
    transform_points,
)

QUARTER_TURN = (np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5))


def test_a_quarter_turn_to_the_left_takes_x_to_y():
    pose = rigid(QUARTER_TURN, (10.0, 0.0, 1.0))
    np.testing.assert_allclose(
        transform_points(pose, np.array([[1.0, 0.0, 0.0]])), [[10, 1, 1]], atol=1e-12
    )


def test_the_inverse_undoes_a_transform():
    pose = rigid(QUARTER_TURN, (3.0, -2.0, 1.0))
    np.testing.assert_allclose(inverse_rigid(pose) @ pose, np.eye(4), atol=1e-12)


@pytest.mark.parametrize(("fraction", "degrees", "x"), [(0.5, 45, 2.0), (2.0, 180, 8.0)])
def test_interpolation_turns_and_moves_at_one_speed_also_beyond_the_ends(fraction, degrees, x):
    pose = interpolate_rigid(np.eye(4), rigid(QUARTER_TURN, (4.0, 0.0, 0.0)), fraction)
    assert np.degrees(np.arctan2(pose[1, 0], pose[0, 0])) % 360 == pytest.approx(degrees)
    assert pose[0, 3] == pytest.approx(x)


def test_a_voxel_holds_its_centre_and_not_what_lies_outside_the_grid():
    index, inside = OCC3D_GRID.index(np.array([[0.1, -39.9, -0.9], [40.1, 0.0, 0.0]]))
    assert index[0].tolist() == [100, 0, 0]
    assert inside.tolist() == [True, False]
    np.testing.assert_allclose(OCC3D_GRID.centers(index[:1]), [[0.2, -39.8, -0.8]])
