# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.evaluation.sweep_agreement import Agreement, reference_returns, sweep_agreement
from effocc_ros.frame import Frame, PointCloud
from effocc_ros.geometry import VoxelGrid, rigid
from effocc_ros.occupancy import SemanticOccupancy

GRID = VoxelGrid((0.0, -1.5, 0.0), (1.0, 1.0, 1.0), (10, 3, 3))
LIDAR = rigid((np.sqrt(0.5), 0, 0, np.sqrt(0.5)), (0.5, 0.0, 1.5))
"""Turned by 90 degrees, as nuScenes' is."""
CAR = 4


def frame(*points):
    rows = np.array([(*point, 9.0, 0.0) if len(point) == 3 else point for point in points])
    return Frame(0, "base_link", (), PointCloud(rows.astype(np.float32), LIDAR), np.eye(4))


def occupancy(*voxels):
    labels = np.full(GRID.shape, OCC3D_NUSCENES.free, np.uint8)
    for voxel in voxels:
        labels[voxel] = CAR
    return SemanticOccupancy(0, "base_link", GRID, labels, OCC3D_NUSCENES)


def test_returns_and_what_pulses_passed_are_counted():
    seen = frame((6.5, 0.0, 1.5), (8.5, 1.0, 1.5), (40.0, 0.0, 1.5))
    # The first and the third pulse go straight ahead; the third leaves the grid.
    truth = occupancy((6, 1, 1), (8, 2, 1))
    agreement = sweep_agreement(truth, seen)
    assert (agreement.returns, agreement.returns_occupied) == (2, 2)
    assert (agreement.hit_share, agreement.false_share) == (1, 0)
    # 9 voxels straight ahead without the one of the return, and 4 on the left.
    assert agreement.passed == 9 + 4
    solid = sweep_agreement(occupancy((slice(None), slice(None), slice(None))), seen)
    assert (solid.hit_share, solid.false_share) == (1, 1)
    wrong = sweep_agreement(occupancy((3, 1, 1)), seen)
    assert (wrong.hit_share, wrong.passed_occupied) == (0, 1)


def test_earlier_sweeps_copies_and_the_vehicle_itself_are_left_out():
    seen = frame(
        (6.5, 0, 1.5), (6.5, 0, 1.5), (0.6, 0.3, 1.0), (0.5, 1.2, 1.5), (3, 0, 1.5, 9, 0.05)
    )
    returns, origin = reference_returns(seen)
    assert sorted(returns[:, 0].tolist()) == [0.5, 6.5]
    assert origin.tolist() == [0.5, 0.0, 1.5]


def test_a_grid_in_the_lidar_frame_is_looked_at_from_its_origin():
    returns, origin = reference_returns(frame((6.5, 0.0, 2.5)), in_lidar_frame=True)
    np.testing.assert_allclose(returns, [[0.0, -6.0, 1.0]], atol=1e-6)
    assert origin.tolist() == [0, 0, 0]


def test_frames_add_up_and_nothing_has_no_share():
    both = Agreement(4, 3, 10, 2) + Agreement(4, 1, 10, 1)
    assert (both.hit_share, both.false_share) == (0.5, 0.15)
    assert np.isnan(Agreement().hit_share)
    assert np.isnan(Agreement().false_share)
    assert pytest.approx(0.75) == Agreement(4, 3).hit_share
