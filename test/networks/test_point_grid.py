# SPDX-License-Identifier: Apache-2.0
"""Points counted in voxels, past the trunk to the head."""

import pytest
import torch
from torch.nn.functional import pixel_shuffle

from effocc_ros.errors import InputError
from effocc_ros.geometry import VoxelGrid
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.networks.point_grid import PointGrid, count_points
from effocc_ros.presets import config_from_mapping, config_to_mapping, load_preset

GRID = VoxelGrid((-4.0, -2.0, -1.0), (1.0, 1.0, 0.5), (8, 4, 6))


def test_points_are_counted_where_they_lie_and_not_outside():
    first = torch.tensor([[-3.5, 1.2, -0.9, 9.0], [-3.1, 1.9, -0.6, 0.0], [3.9, -2.0, 1.9, 0.0]])
    second = torch.tensor([[4.0, 0.0, 0.0, 0.0], [0.0, 0.0, 2.01, 0.0], [-4.1, 0.0, 0.0, 0.0]])
    counted = count_points([first, second], GRID, step=2)
    assert counted.shape == (2, 6 * 4, 2, 4)
    grid = pixel_shuffle(counted, 2).expm1()  # (B, Dz, Dy, Dx)
    expected = torch.zeros(2, 6, 4, 8)
    expected[0, 0, 3, 0], expected[0, 5, 0, 7] = 2, 1
    torch.testing.assert_close(grid, expected)


def test_no_points_count_nothing():
    assert not count_points([torch.zeros(0, 5)], GRID, step=1).any()


def test_a_new_one_changes_nothing_and_learns():
    layer = PointGrid(channels=3, layers=6, step=2)
    bev, counted = torch.rand(1, 3, 4, 8), torch.rand(1, 24, 2, 4)
    out = layer(bev, counted)
    torch.testing.assert_close(out, bev)
    out.square().sum().backward()
    assert layer[1].weight.grad.abs().min() > 0


@torch.no_grad()
def test_a_point_reaches_the_voxels_around_it_without_the_trunk():
    network = EffOcc(load_preset("lidar_tiny")).eval()
    network.point_grid[1].weight.fill_(1.0)
    config = network.config
    points = torch.tensor([[10.1, -20.3, 0.3, 1.0, 0.0]])
    lidar_bev = network.lidar_bev([points])
    assert lidar_bev.shape[1] == config.lidar_channels
    features = torch.zeros(1, 2 * config.trunk_channels, *config.trunk_size)
    changed = network.for_head(features, lidar_bev) - network.bev_upsample(features)
    y, x = changed.abs().sum(dim=(0, 1)).nonzero().T
    assert (x.min(), x.max()) == (124, 126)  # (10.1 + 40) / 0.4 = 125.25
    assert (y.min(), y.max()) == (48, 50)


def test_a_vision_network_has_none():
    values = config_to_mapping(load_preset("vision_tiny")) | {"point_grid": True}
    with pytest.raises(InputError, match="point_grid"):
        config_from_mapping(values, "preset a")
