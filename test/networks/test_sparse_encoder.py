# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import torch
from helpers.deterministic_fill import fill, uniform
from helpers.vectors import load_vector
from torch.nn import functional

from effocc_ros.geometry import VoxelGrid
from effocc_ros.networks.sparse_encoder import SparseEncoder, to_bev
from effocc_ros.networks.sparse_sites import Sites
from effocc_ros.presets import load_preset


def sites_of(coordinates, batch, shape):
    """Sites of (b, z, y, x) rows, and the order that sorts features as the sites are sorted."""
    keys = Sites.empty(batch, shape).key(*coordinates.long().unbind(dim=1))
    keys, order = keys.sort()
    return Sites(keys, batch, shape), order


def random_sites(batch, shape, count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    limits = (batch, *shape)
    columns = [torch.randint(limit, (count,), generator=generator) for limit in limits]
    return sites_of(torch.stack(columns, dim=1).unique(dim=0), batch, shape)[0]


def dense(features, sites):
    """(B, C, Z, Y, X), zero where no site is active."""
    depth = sites.shape[0]
    bev = to_bev(features, sites)
    return bev.unflatten(1, (-1, depth))


@torch.inference_mode()
def test_vector_a3_sparse_encoder():
    vector = load_vector("a3_sparse_encoder")
    sites, order = sites_of(vector["coors_bzyx"], 2, (41, 128, 160))
    encoder = fill(SparseEncoder(5, (16, 32, 64, 128), blocks=2), "pts_middle_encoder.")
    bev = encoder(vector["features"][order], sites)
    tolerance = 1e-4 * vector["bev"].abs().max().item()
    torch.testing.assert_close(bev, vector["bev"], atol=tolerance, rtol=0)


def test_vector_a3_number_of_active_sites():
    vector = load_vector("a3_sparse_encoder")
    sites, _ = sites_of(vector["coors_bzyx"], 2, (41, 128, 160))
    for stage, padding in enumerate([(1, 1, 1), (1, 1, 1), (0, 1, 1)], start=1):
        sites, _ = sites.strided((3, 3, 3), (2, 2, 2), padding)
        assert sites.shape == tuple(vector[f"stage{stage}_spatial_shape"].tolist())
        assert len(sites) == vector[f"stage{stage}_num_active"]


# The shape is so small that many sites lie at its borders, where keys of neighbours could wrap.
@pytest.mark.parametrize(("count", "shape"), [(40, (3, 4, 5)), (500, (5, 7, 6)), (1, (1, 1, 1))])
def test_submanifold_convolution_equals_the_dense_one_at_active_sites(count, shape):
    sites = random_sites(2, shape, count)
    features = uniform("sparse.features", (len(sites), 3), -1, 1)
    weight = uniform("sparse.weight", (4, 3, 3, 3, 3), -1, 1)
    bias = torch.tensor([0.5, -1.0, 0.0, 2.0])
    out = sites.submanifold.apply(features, weight, bias)
    expected = functional.conv3d(
        dense(features, sites), weight.permute(0, 4, 1, 2, 3), bias, padding=1
    )
    active = dense(torch.ones(len(sites), 1), sites)
    torch.testing.assert_close(dense(out, sites), expected * active, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [
        ((3, 3, 3), (2, 2, 2), (1, 1, 1)),
        ((3, 3, 3), (2, 2, 2), (0, 1, 1)),
        ((3, 1, 1), (2, 1, 1), (0, 0, 0)),
    ],
)
@pytest.mark.parametrize("count", [8, 300])
def test_strided_convolution_equals_the_dense_one(kernel, stride, padding, count):
    sites = random_sites(2, (6, 7, 8), count)
    features = uniform("sparse.features", (len(sites), 3), -1, 1)
    weight = uniform("sparse.weight", (4, *kernel, 3), -1, 1)
    reached, rulebook = sites.strided(kernel, stride, padding)
    out = rulebook.apply(features, weight)
    expected = functional.conv3d(
        dense(features, sites), weight.permute(0, 4, 1, 2, 3), None, stride, padding
    )
    torch.testing.assert_close(dense(out, reached), expected, atol=1e-5, rtol=1e-5)
    field = functional.conv3d(
        dense(torch.ones(len(sites), 1), sites), torch.ones(1, 1, *kernel), None, stride, padding
    )
    assert len(reached) == int((field > 0).sum())


@pytest.mark.parametrize("layers", [41, 33])
def test_channels_of_the_bev_are_foretold(layers):
    encoder = fill(SparseEncoder(5, (4, 4, 8), blocks=1), "pts_middle_encoder.")
    sites = random_sites(1, (layers, 16, 24), 50)
    bev = encoder(torch.ones(len(sites), 5), sites)
    voxels = VoxelGrid((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (24, 16, layers - 1))
    config = replace(load_preset("lidar_tiny"), voxels=voxels, voxel_widths=(4, 4, 8))
    assert bev.shape == (1, config.sparse_channels, 4, 6)


def test_no_active_site_gives_zeros():
    encoder = fill(SparseEncoder(5, (4, 8, 8, 16), blocks=2), "pts_middle_encoder.")
    bev = encoder(torch.zeros(0, 5), Sites.empty(2, (41, 16, 24)))
    assert bev.shape == (2, 32, 2, 3)
    assert not bev.any()


def test_gradients_reach_weights_and_features():
    encoder = SparseEncoder(5, (4, 8), blocks=1).train()
    sites = random_sites(1, (41, 16, 24), 50)
    features = torch.rand(len(sites), 5).requires_grad_()
    encoder(features, sites).square().sum().backward()
    assert features.grad.abs().sum() > 0
    assert all(weight.grad is not None for weight in encoder.parameters())


@pytest.mark.parametrize("kind", ["submanifold", "strided"])
def test_gradients_equal_those_of_the_dense_convolution(kind):
    sites = random_sites(2, (5, 7, 6), 200)
    features = uniform("sparse.features", (len(sites), 3), -1, 1).double().requires_grad_()
    weight = uniform("sparse.weight", (4, 3, 3, 3, 3), -1, 1).double().requires_grad_()
    output, rulebook, step = sites, sites.submanifold, 1
    if kind == "strided":
        (output, rulebook), step = sites.strided((3, 3, 3), (2, 2, 2), (1, 1, 1)), 2
    out = rulebook.apply(features, weight)
    pull = uniform("sparse.pull", tuple(out.shape), -1, 1).double()
    got = torch.autograd.grad((out * pull).sum(), [features, weight])
    kernel = weight.permute(0, 4, 1, 2, 3)
    whole = functional.conv3d(dense(features, sites), kernel, stride=step, padding=1)
    expected = torch.autograd.grad((whole * dense(pull, output)).sum(), [features, weight])
    for mine, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_a_training_step_keeps_features_and_not_what_it_gathers():
    sites = random_sites(1, (9, 40, 40), 6000)
    features = uniform("sparse.features", (len(sites), 8), -1, 1).requires_grad_()
    weight = uniform("sparse.weight", (8, 3, 3, 3, 8), -1, 1).requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        sites.submanifold.apply(features, weight)
    assert sum(tensor.numel() for tensor in kept) <= features.numel() + 4 * weight.numel()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_training_step_survives_a_cloud_of_hardly_any_voxel(count):
    encoder = SparseEncoder(5, (4, 8), blocks=1).train()
    sites = Sites(torch.arange(count), 1, (9, 16, 16))
    encoder(torch.ones(count, 5), sites).sum().backward()
    assert all(weight.grad.isfinite().all() for weight in encoder.parameters())
