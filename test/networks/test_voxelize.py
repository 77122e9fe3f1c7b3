# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from effocc_ros.geometry import VoxelGrid
from effocc_ros.networks.voxelize import voxelize

GRID = VoxelGrid((-1.0, -2.0, 0.0), (0.5, 0.25, 1.0), (4, 9, 3))


def scan(cloud, grid, max_voxels, max_points):
    """The definition: one scan through the points. Place (z, y, x) to its stored points."""
    lower, size = np.float32(grid.lower), np.float32(grid.voxel_size)
    stored = {}
    for point in cloud.numpy():
        cell = np.floor((point[:3] - lower) / size)
        if not ((cell >= 0).all() and (cell < grid.shape).all()):
            continue
        place = tuple(int(i) for i in cell[::-1])
        if place not in stored:
            if len(stored) == max_voxels:
                continue
            stored[place] = []
        if len(stored[place]) < max_points:
            stored[place].append(point)
    return stored


def mean(points):
    total = np.zeros_like(points[0])
    for point in points:
        total = total + point
    return total / np.float32(len(points))


def random_cloud(count, seed):
    generator = torch.Generator().manual_seed(seed)
    cloud = torch.rand(count, 5, generator=generator)
    cloud[:, :3] = cloud[:, :3] * torch.tensor([2.4, 2.4, 3.4]) + torch.tensor([-1.2, -2.2, -0.2])
    cloud[:, 3] *= 255
    return cloud


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 150), min_size=1, max_size=3),
    st.integers(1, 40),
    st.integers(1, 5),
    st.integers(0, 1000),
)
def test_voxels_equal_a_sequential_scan_bit_by_bit(counts, max_voxels, max_points, seed):
    clouds = [random_cloud(count, seed + i) for i, count in enumerate(counts)]
    voxels = voxelize(clouds, GRID, max_voxels, max_points)
    sample, *place = (axis.tolist() for axis in voxels.sites.coordinates())
    found = {
        key: (feature, points)
        for *key, feature, points in zip(
            sample, *place, voxels.features.numpy(), voxels.points.tolist(), strict=True
        )
        for key in [tuple(key)]
    }
    expected = {
        (i, *place): points
        for i, cloud in enumerate(clouds)
        for place, points in scan(cloud, GRID, max_voxels, max_points).items()
    }
    assert found.keys() == expected.keys()
    for key, points in expected.items():
        assert found[key][1] == len(points)
        np.testing.assert_array_equal(found[key][0], mean(points))
    assert (voxels.sites.keys[1:] > voxels.sites.keys[:-1]).all()


def test_the_first_points_win_and_the_sites_are_one_layer_higher_than_the_grid():
    cloud = torch.tensor([[0.1, 0.1, 0.5, 10.0, 0.0]] * 2 + [[0.1, 0.1, 0.5, 99.0, 0.1]])
    voxels = voxelize([cloud], GRID, max_points=2)
    assert voxels.sites.shape == (4, 9, 4)
    assert voxels.features[:, 3].tolist() == [10.0]
    assert [axis.tolist() for axis in voxels.sites.coordinates()] == [[0], [0], [8], [2]]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_points_that_are_not_finite_or_far_away_are_left_out(value):
    cloud = torch.tensor([[value, 0.1, 0.5, 1.0, 0.0], [0.1, 0.1, 0.5, 2.0, 0.0]])
    voxels = voxelize([cloud], GRID)
    assert voxels.features[:, 3].tolist() == [2.0]


def test_an_empty_cloud_gives_no_voxel():
    voxels = voxelize([torch.zeros(0, 5), random_cloud(5, 0)], GRID)
    assert voxels.sites.batch == 2
    assert set(voxels.sites.coordinates()[0].tolist()) == {1}
    assert len(voxelize([torch.zeros(0, 5)], GRID).sites) == 0
