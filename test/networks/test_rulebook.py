# SPDX-License-Identifier: Apache-2.0
"""The ways in which a CPU computes a sparse convolution, against the dense one."""

import gc
import weakref

import pytest
import torch
from helpers.deterministic_fill import uniform
from torch.nn import functional

from effocc_ros.networks import neighbour_table, pair_lists
from effocc_ros.networks.neighbour_table import NeighbourTable
from effocc_ros.networks.pair_lists import PairLists
from effocc_ros.networks.rulebook import Rulebook, _GatherMultiplyScatter
from effocc_ros.networks.sparse_encoder import FLATTENING, to_bev
from effocc_ros.networks.sparse_sites import Sites, _unique

SHAPE = (5, 7, 6)
KINDS = ("submanifold", "strided")
WAYS = ("lists", "table")
COUNTS = (0, 1, 2, 30, 400)


def random_sites(count, shape=SHAPE):
    """That many sites of two samples."""
    layout = Sites.empty(2, shape)
    places = torch.ones(2, *shape).nonzero()
    chosen = torch.randperm(len(places), generator=torch.Generator().manual_seed(0))[:count]
    return Sites(layout.key(*places[chosen].unbind(1)).sort()[0], 2, shape)


def rulebook_of(sites, kind):
    if kind == "submanifold":
        return sites, sites.submanifold, 1
    return *sites.strided((3, 3, 3), (2, 2, 2), (1, 1, 1)), 2


def force(monkeypatch, way):
    monkeypatch.setattr(Rulebook, "in_blocks", lambda self, dtype: getattr(self, f"_{way}"))


def dense(features, sites):
    return to_bev(features, sites).unflatten(1, (-1, sites.shape[0]))


def inputs(sites, dtype=torch.float64):
    features = uniform("sparse.features", (len(sites), 4), -1, 1)
    weight = uniform("sparse.weight", (6, 3, 3, 3, 4), -1, 1)
    return features.to(dtype).requires_grad_(), weight.to(dtype).requires_grad_()


def both(sites, kind, dtype=torch.float64):
    """Output and gradients of features and weight: sparse, and of the dense convolution."""
    features, weight = inputs(sites, dtype)
    output, rulebook, step = rulebook_of(sites, kind)
    out = rulebook.apply(features, weight)
    pull = uniform("sparse.pull", tuple(out.shape), -1, 1).to(dtype)
    got = out, *torch.autograd.grad(out, [features, weight], pull)
    kernel = weight.permute(0, 4, 1, 2, 3)
    whole = functional.conv3d(dense(features, sites), kernel, stride=step, padding=1)
    sample, z, y, x = output.coordinates()
    expected = whole[sample, :, z, y, x]
    return got, (expected, *torch.autograd.grad(expected, [features, weight], pull))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", COUNTS)
def test_output_and_gradients_equal_those_of_the_dense_convolution(monkeypatch, way, kind, count):
    # Blocks so small that there are several, the last one not full.
    monkeypatch.setattr(pair_lists, "BLOCK", 100)
    monkeypatch.setattr(neighbour_table, "BLOCK", 1836)
    force(monkeypatch, way)
    got, expected = both(random_sites(count), kind)
    for mine, theirs in zip(got, expected, strict=True):
        tolerance = {"atol": 1e-5, "rtol": 1e-5} if way == "table" else {}  # It sums in float32.
        torch.testing.assert_close(mine, theirs, **tolerance)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_at_no_offset_but_one(monkeypatch, way, kind):
    force(monkeypatch, way)
    layout = Sites.empty(2, SHAPE)
    keys = torch.tensor([layout.key(0, 2, 2, 2), layout.key(0, 2, 2, 3), layout.key(1, 0, 0, 0)])
    got, expected = both(Sites(keys.sort()[0], 2, SHAPE), kind)
    for mine, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_features_or_weight_alone(kind):
    sites = random_sites(50)
    features, weight = inputs(sites)
    _, rulebook, _ = rulebook_of(sites, kind)
    both_of_them = torch.autograd.grad(
        rulebook.apply(features, weight).square().sum(), [features, weight]
    )
    alone = (
        torch.autograd.grad(rulebook.apply(features, weight.detach()).square().sum(), features)[0],
        torch.autograd.grad(rulebook.apply(features.detach(), weight).square().sum(), weight)[0],
    )
    torch.testing.assert_close(alone, both_of_them)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_stays_close_and_gives_the_same_every_time(monkeypatch, way, kind):
    force(monkeypatch, way)
    sites = random_sites(200)
    with torch.autocast("cpu", torch.bfloat16):
        got, expected = both(sites, kind, torch.float32)
        again, _ = both(sites, kind, torch.float32)
    assert [each.dtype for each in got] == [torch.float32] * 3
    for mine, theirs, same in zip(got, expected, again, strict=True):
        assert (mine - theirs).norm() <= 0.02 * theirs.norm()
        assert torch.equal(mine, same)


def test_half_precision_takes_the_table_where_most_neighbours_are_there():
    full, sparse = random_sites(400).submanifold, random_sites(20).submanifold
    assert isinstance(full.in_blocks(torch.bfloat16), NeighbourTable)
    assert isinstance(sparse.in_blocks(torch.bfloat16), PairLists)
    assert isinstance(full.in_blocks(torch.float32), PairLists)
    _, flattening = random_sites(400).strided(*FLATTENING)
    assert isinstance(flattening.in_blocks(torch.bfloat16), PairLists)


def test_the_way_of_a_gpu_gives_the_same(monkeypatch):
    monkeypatch.setattr("effocc_ros.networks.rulebook._InBlocks", _GatherMultiplyScatter)
    for kind in KINDS:
        got, expected = both(random_sites(100), kind)
        for mine, theirs in zip(got, expected, strict=True):
            torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_an_offset_connects_ascending_outputs_and_inputs(kind):
    _, rulebook, _ = rulebook_of(random_sites(300), kind)
    for pairs in rulebook.pairs:
        assert pairs is None or all((rows.diff() > 0).all() for rows in pairs)


@pytest.mark.parametrize("limit", [40, 4000])
def test_different_keys_are_those_of_unique(limit):
    keys = torch.randint(40, (100,), generator=torch.Generator().manual_seed(0))
    for mine, theirs in zip(_unique(keys, limit), keys.unique(return_inverse=True), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("strided", [False, True])
def test_a_rulebook_is_freed_with_its_last_user(strided):
    sites = random_sites(60)
    rulebook = sites.strided((3, 3, 3), (2, 2, 2), (1, 1, 1))[1] if strided else sites.submanifold
    features = torch.rand(len(sites), 3, requires_grad=True)
    weight = torch.rand(4, 3, 3, 3, 3, requires_grad=True)
    rulebook.apply(features, weight).sum().backward()
    gone = weakref.ref(rulebook)
    gc.disable()
    try:
        del rulebook, sites
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", COUNTS)
def test_bias_shortcut_and_relu_follow_the_sums_whatever_the_blocks(
    monkeypatch, count, kind, way, mode
):
    force(monkeypatch, way)
    monkeypatch.setattr(pair_lists, "BLOCK", 100)
    monkeypatch.setattr(neighbour_table, "BLOCK", 1836)
    _, rulebook, _ = rulebook_of(random_sites(count), kind)
    features, weight = (each.detach() for each in inputs(random_sites(count)))
    shortcut = uniform("sparse.shortcut", (rulebook.outputs, 6), -1, 1).double()
    bias = uniform("sparse.bias", (6,), -1, 1).double()
    kept = shortcut.clone()
    with mode():
        sums = rulebook.apply(features, weight)
        finished = rulebook.apply(features, weight, bias, shortcut, relu=True)
    torch.testing.assert_close(finished, (sums + bias + shortcut).clamp(min=0))
    assert torch.equal(shortcut, kept)


@pytest.mark.parametrize("kind", KINDS)
def test_inference_rounds_nothing_where_half_precision_is_no_faster(monkeypatch, kind):
    force(monkeypatch, "lists")
    sites = random_sites(30)
    features, weight = (each.detach() for each in inputs(sites, torch.float32))
    _, rulebook, _ = rulebook_of(sites, kind)
    with torch.inference_mode():
        exact = rulebook.apply(features, weight)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(rulebook.apply(features, weight), exact)
