# SPDX-License-Identifier: Apache-2.0
"""Voxels in tensors of fixed sizes are those of the ordinary voxelisation, bit by bit."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from effocc_ros.geometry import VoxelGrid
from effocc_ros.networks.static_voxels import static_voxels
from effocc_ros.networks.voxelize import voxelize

GRID = VoxelGrid((-1.0, -2.0, 0.0), (0.5, 0.25, 1.0), (4, 9, 3))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 150),
    st.integers(1, 30),
    st.integers(1, 40),
    st.integers(1, 5),
    st.integers(0, 1000),
)
def test_voxels_equal_the_ordinary_ones(count, spare, max_voxels, max_points, seed):
    generator = torch.Generator().manual_seed(seed)
    cloud = torch.rand(count, 5, generator=generator) * torch.tensor([2.4, 2.4, 3.4, 255, 1])
    cloud[:, :3] += torch.tensor([-1.2, -2.2, -0.2])
    expected = voxelize([cloud], GRID, max_voxels, max_points)
    # NaN rows anywhere, not only behind the points.
    filled = torch.full((count + spare, 5), torch.nan)
    rows = torch.randperm(count + spare, generator=generator)[:count].sort()[0]
    filled[rows] = cloud
    features, sites = static_voxels(filled, GRID, max_voxels, max_points)
    assert len(features) == len(sites.keys) == min(count + spare, max_voxels)
    assert sites.shape == expected.sites.shape
    assert sites.keys[sites.active].tolist() == expected.sites.keys.tolist()
    assert sites.active.tolist() == sorted(sites.active.tolist(), reverse=True)
    assert torch.equal(features[sites.active], expected.features)
    assert not features[~sites.active].any()
