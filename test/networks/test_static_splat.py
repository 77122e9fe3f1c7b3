# SPDX-License-Identifier: Apache-2.0
"""A splat in tensors of fixed sizes gives the BEV of the ordinary one, bit by bit."""

import pytest
import torch
from helpers.deterministic_fill import fill, uniform

from effocc_ros.geometry import VoxelGrid
from effocc_ros.networks.bags import LONGEST
from effocc_ros.networks.lift_splat import LiftSplat
from effocc_ros.networks.splat_table import SPLIT
from effocc_ros.networks.static_splat import StaticSplat, rays_of

DEPTHS = (1.0, 9.0, 0.25)


def view_of(bev):
    module = LiftSplat(6, 5, (16, 32), 4, DEPTHS, bev, lidar_depth=False)
    return fill(module, "img_view_transformer.")


def matrices(cameras=3):
    """Cameras that look in three directions; their images were scaled and cut."""
    sensor2ego = torch.eye(4).repeat(cameras, 1, 1)
    for camera in range(cameras):
        angle = torch.tensor(2.0 * camera)
        forward = torch.stack([angle.cos(), angle.sin(), torch.tensor(0.0)])
        right = torch.stack([angle.sin(), -angle.cos(), torch.tensor(0.0)])
        down = torch.tensor([0.0, 0.0, -1.0])
        sensor2ego[camera, :3, :3] = torch.stack([right, down, forward], dim=1)
        sensor2ego[camera, :3, 3] = torch.tensor([0.3, -0.2, 0.1]) * camera
    intrinsics = torch.tensor([[20.0, 0, 15.5], [0, 20.0, 7.5], [0, 0, 1]])
    post_rots = torch.diag(torch.tensor([0.9, 0.9, 1.0]))
    post_trans = torch.tensor([0.0, -2.0, 0.0])
    return (
        sensor2ego,
        intrinsics.repeat(cameras, 1, 1),
        post_rots.repeat(cameras, 1, 1),
        post_trans.repeat(cameras, 1),
    )


def grid_cells(grid):
    width, height, layers = grid.shape
    return width * height * layers


@pytest.mark.parametrize(
    "grid",
    [
        VoxelGrid((-4.0, -4.0, -2.0), (2.0, 2.0, 4.0), (4, 4, 1)),
        VoxelGrid((-9.0, -6.0, -1.0), (0.5, 0.6, 1.0), (36, 20, 2)),
        VoxelGrid((-50.0, -50.0, -50.0), (100.0, 100.0, 100.0), (1, 1, 1)),
        VoxelGrid((100.0, 100.0, 0.0), (1.0, 1.0, 1.0), (3, 3, 1)),
    ],
    ids=["coarse", "layers", "one cell", "out of sight"],
)
@pytest.mark.parametrize("silent", [None, 1, "all"])
@torch.inference_mode()
def test_the_bev_is_that_of_the_ordinary_splat(grid, silent):
    view, mask = view_of(grid), torch.ones(3, dtype=torch.bool)
    if silent is not None:
        mask[slice(None) if silent == "all" else silent] = False
    probability = uniform("splat.depth", (3, view.depth_count, 4, 8), 0, 1)
    context = uniform("splat.context", (3, 5, 4, 8), -1, 1)
    placed = matrices()
    batch = [matrix[None] for matrix in placed] + [torch.eye(4)[None]]
    expected = view.splat(probability, context, mask[None], batch)
    splat = StaticSplat(view, 3, torch.device("cpu"))
    table = splat.table(mask, rays_of(placed))
    # On a GPU the last bag runs to the end of its list, and a long one takes its time.
    assert table.runs.diff().max() <= SPLIT
    assert len(table.pixels) - table.runs[-1] <= SPLIT
    assert table.cells[grid_cells(grid) :].diff().max() <= LONGEST
    assert table.cells[-1] == len(table.runs)
    bev = splat.pool(table, probability, context)
    assert torch.equal(bev, expected)
    assert bev.stride()[1:] == expected.stride()[1:]
