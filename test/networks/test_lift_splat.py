# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from helpers.deterministic_fill import fill, uniform
from helpers.vectors import load_arrays

from effocc_ros.geometry import VoxelGrid
from effocc_ros.networks.lift_splat import LiftSplat
from effocc_ros.networks.splat_table import (
    SPLIT,
    build_splat_table,
    frustum,
    pixels_in_ego,
)
from effocc_ros.presets import load_preset

MATRICES = ("sensor2keyego", "intrins", "post_rots", "post_trans")


def full_matrices(vector):
    """The matrices of a full-size vector, batch of one."""
    return [vector[name][None] for name in (*MATRICES, "bda")]


def test_vector_a2_geometry_full(reference_dir):
    vector = load_arrays(reference_dir / "parity" / "a2_geometry_full.npz")
    config = load_preset("fusion_r18")
    points = frustum((256, 704), (32, 88), config.depth_range)
    assert tuple(points.permute(1, 2, 3, 0).shape) == tuple(vector["frustum_shape"].tolist())
    corner = points[:, [0, 0, -1, -1], [0, -1, 0, -1], [0, -1, 0, -1]].T
    torch.testing.assert_close(corner, vector["frustum_corner"])

    ego = pixels_in_ego(points.flatten(1), full_matrices(vector))[0].transpose(1, 2).reshape(-1, 3)
    torch.testing.assert_close(ego[vector["point_index"]], vector["points_ego"], atol=1e-4, rtol=0)

    mask = torch.ones(1, 6, dtype=torch.bool)
    table = build_splat_table(
        (256, 704), (32, 88), config.depth_range, config.bev, mask, full_matrices(vector)
    )
    count = cell_counts(table).view(200, 200)
    difference = (count - vector["bev_count"]).abs()
    assert difference.max() <= 1
    assert difference.sum() <= 40
    assert abs(len(table.pixels) - int(vector["num_kept"])) <= 20
    assert abs(int((count > 0).sum()) - int(vector["num_bev_cells"])) <= 5


def cell_counts(table):
    """Frustum points of every BEV cell, counted by splatting ones."""
    ones = torch.ones(int(table.pixels.max()) + 1, 1)
    depths = torch.ones(int(table.depths.max()) + 1)
    return table.pool(depths.view(1, -1, 1, 1), ones.T[None, :, :, None]).flatten().round().int()


@torch.inference_mode()
def test_vector_a2_view_transformer_fusion(reference_dir):
    vector = load_arrays(reference_dir / "parity" / "a2_view_transformer_fusion.npz")
    bev = VoxelGrid((-40.0, -32.0, -1.0), (1.6, 1.6, 6.4), (50, 40, 1))
    module = LiftSplat(128, 64, (128, 352), 8, (1.0, 45.0, 0.5), bev, lidar_depth=True)
    fill(module, "img_view_transformer.")
    features = uniform("a2.fusion.x", (2, 3, 128, 16, 44), -1, 1)
    depth = torch.zeros(2 * 3 * 128 * 352)
    depth[vector["depth_index"].long()] = vector["depth_value"]
    depth = depth.view(2, 3, 128, 352)
    probability, _ = module.depth_and_context(
        features.flatten(0, 1), depth.flatten(0, 1).unsqueeze(1)
    )
    torch.testing.assert_close(
        probability[:, ::4, ::2, ::2], vector["depth_prob"], atol=1e-4, rtol=0
    )
    mask = torch.ones(2, 3, dtype=torch.bool)
    out, *_ = module(features, depth, mask, [vector[name] for name in (*MATRICES, "bda")])
    difference = (out - vector["bev"]).abs()
    tolerance = 1e-4 * vector["bev"].abs().max()
    assert (difference > tolerance).float().mean() <= 1e-3


DEPTHS = (1.0, 9.0, 0.25)
BEV = VoxelGrid((-4.0, -4.0, -2.0), (2.0, 2.0, 4.0), (4, 4, 1))


def small_matrices(batch=2, cameras=3):
    """Cameras that look in three directions from heights that differ."""
    generator = torch.Generator().manual_seed(0)
    sensor2ego = torch.eye(4).repeat(batch, cameras, 1, 1)
    for camera in range(cameras):
        angle = torch.tensor(2.0 * camera)
        forward = torch.stack([angle.cos(), angle.sin(), torch.tensor(0.0)])
        right = torch.stack([angle.sin(), -angle.cos(), torch.tensor(0.0)])
        down = torch.tensor([0.0, 0.0, -1.0])
        sensor2ego[:, camera, :3, :3] = torch.stack([right, down, forward], dim=1)
    sensor2ego[..., :3, 3] = torch.rand(batch, cameras, 3, generator=generator) - 0.5
    intrinsics = torch.tensor([[20.0, 0, 15.5], [0, 20.0, 7.5], [0, 0, 1]])
    return [
        sensor2ego,
        intrinsics.repeat(batch, cameras, 1, 1),
        torch.eye(3).repeat(batch, cameras, 1, 1),
        torch.zeros(batch, cameras, 3),
        torch.eye(4).repeat(batch, 1, 1),
    ]


def splat_by_definition(module, features, mask, matrices):
    """Frustum volume and one addition per point, in float64."""
    probability, context = module.depth_and_context(features.flatten(0, 1), None)
    batch, cameras = mask.shape
    height, width = features.shape[-2:]
    points = frustum(module.image_size, (height, width), DEPTHS).flatten(1)
    points = pixels_in_ego(points, matrices)
    points = points.transpose(2, 3).reshape(-1, 3)
    cell = ((points - torch.tensor(BEV.lower)) / torch.tensor(BEV.voxel_size)).long()
    values = (probability[:, None] * context[:, :, None]).double()
    values = values.transpose(0, 1).flatten(1).T
    sample = torch.arange(batch).repeat_interleave(len(points) // batch)
    seen = mask.flatten().repeat_interleave(len(points) // batch // cameras)
    inside = ((cell >= 0) & (cell < torch.tensor(BEV.shape))).all(dim=1) & seen
    out = torch.zeros(batch, 4, 4, context.shape[1], dtype=torch.float64)
    x, y, _ = cell[inside].T
    out.index_put_((sample[inside], y, x), values[inside], accumulate=True)
    return out.permute(0, 3, 1, 2)


@pytest.fixture(name="small")
def small_module():
    module = LiftSplat(6, 5, (16, 32), 4, DEPTHS, BEV, lidar_depth=False)
    return fill(module, "img_view_transformer.")


@pytest.mark.parametrize("silent", [None, (0, 1), (1, 2), "all"])
@torch.inference_mode()
def test_the_pooled_bev_equals_the_definition(small, silent):
    features = uniform("lift.features", (2, 3, 6, 4, 8), -1, 1)
    mask = torch.ones(2, 3, dtype=torch.bool)
    if silent == "all":
        mask[:] = False
    elif silent is not None:
        mask[silent] = False
    matrices = small_matrices()
    expected = splat_by_definition(small, features, mask, matrices)
    assert (silent == "all") == (expected.abs().max() == 0)
    out, *_ = small(features, None, mask, matrices)
    torch.testing.assert_close(out.double(), expected, atol=1e-5, rtol=1e-5)


def test_the_busiest_cell_is_split_into_several_runs(small):
    mask = torch.ones(2, 3, dtype=torch.bool)
    table = small.table(mask, small_matrices())
    lengths = torch.diff(table.runs, append=torch.tensor([len(table.pixels)]))
    assert lengths.max() == SPLIT
    assert cell_counts(table).max() > SPLIT


def test_a_point_just_below_the_lower_border_falls_into_the_first_cell():
    grid = VoxelGrid((0.0, -1.0, -1.0), (1.0, 2.0, 2.0), (2, 1, 1))
    matrices = [torch.eye(4)[None, None], *[torch.eye(3)[None, None]] * 2]
    matrices += [torch.zeros(1, 1, 3), torch.eye(4)[None]]
    matrices[0] = matrices[0].clone()
    matrices[0][..., 2, 3] = -1.0  # the one frustum point stands at depth 1: z becomes 0
    mask = torch.ones(1, 1, dtype=torch.bool)
    for x, cell in ((-0.9, 0), (-1.1, None), (0.5, 0), (1.5, 1), (2.1, None)):
        matrices[0][..., 0, 3] = x
        table = build_splat_table((1, 1), (1, 1), (1.0, 1.5, 0.5), grid, mask, matrices)
        count = table.pool(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1)).flatten().tolist()
        assert count == [float(cell == 0), float(cell == 1)], x


def test_the_table_is_kept_until_a_matrix_or_the_mask_changes(small):
    mask, matrices = torch.ones(2, 3, dtype=torch.bool), small_matrices()
    table = small.table(mask, matrices)
    assert small.table(mask.clone(), [matrix.clone() for matrix in matrices]) is table
    matrices[0][0, 0, 0, 3] += 1e-3
    moved = small.table(mask, matrices)
    assert moved is not table
    mask[0, 0] = False
    assert small.table(mask, matrices) is not moved


def test_gradients_reach_features_and_depth(small):
    features = uniform("lift.features", (2, 3, 6, 4, 8), -1, 1).requires_grad_()
    mask = torch.ones(2, 3, dtype=torch.bool)
    bev, *_ = small(features, None, mask, small_matrices())
    bev.sum().backward()
    assert features.grad.abs().sum() > 0
    assert small.depth_net.weight.grad[: small.depth_count].abs().sum() > 0


def test_a_table_made_for_inference_serves_a_training_step(small):
    features = uniform("lift.features", (2, 3, 6, 4, 8), -1, 1)
    mask = torch.ones(2, 3, dtype=torch.bool)
    with torch.inference_mode():
        matrices = small_matrices()
        small(features, None, mask, matrices)
    table = small.table(mask, small_matrices())
    features.requires_grad_()
    small(features, None, mask, small_matrices())[0].sum().backward()
    assert small.table(mask, small_matrices()) is table
    assert features.grad.abs().sum() > 0
