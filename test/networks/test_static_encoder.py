# SPDX-License-Identifier: Apache-2.0
"""The sparse encoder in tensors of fixed sizes gives what the ordinary one gives."""

import pytest
import torch
from helpers.deterministic_fill import fill, uniform
from helpers.vectors import load_vector
from hypothesis import given, settings
from hypothesis import strategies as st

from effocc_ros.networks import static_encoder
from effocc_ros.networks.fusing import fold_batch_norm
from effocc_ros.networks.sparse_encoder import SparseEncoder
from effocc_ros.networks.sparse_sites import Sites
from effocc_ros.networks.static_encoder import StaticEncoder, stage_capacities
from effocc_ros.networks.static_sites import (
    ABSENT,
    StaticSites,
    strided_sites,
    strided_table,
    submanifold_table,
)

HALVINGS = [((3, 3, 3), (2, 2, 2), (1, 1, 1)), ((3, 3, 3), (2, 2, 2), (0, 1, 1))]
FLATTENING = ((3, 1, 1), (2, 1, 1), (0, 0, 0))


def random_sites(shape, count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    places = torch.ones(shape).nonzero()
    chosen = places[torch.randperm(len(places), generator=generator)[:count]]
    layout = Sites.empty(1, shape)
    return Sites(layout.key(0, *chosen.unbind(1)).sort()[0], 1, shape)


def padded(sites, capacity):
    """The same sites in a table of that many rows."""
    spare = sites.keys.new_full((capacity - len(sites),), ABSENT)
    return StaticSites(torch.cat([sites.keys, spare]), sites.shape)


def pairs_of(rulebook):
    """All (offset, output, input) of a rulebook."""
    everything = torch.arange(rulebook.outputs)
    found = set()
    for offset, pairs in enumerate(rulebook.pairs):
        rows, sources = (everything, everything) if pairs is None else pairs
        found |= {(offset, *pair) for pair in zip(rows.tolist(), sources.tolist(), strict=True)}
    return found


def pairs_in(table, capacity):
    """All (offset, output, input) of a table."""
    outputs, offsets = (table < capacity).nonzero(as_tuple=True)
    inputs = table[outputs, offsets]
    return set(zip(offsets.tolist(), outputs.tolist(), inputs.tolist(), strict=True))


# The shapes are so small that many sites lie at their borders, where keys could wrap.
@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(3, 6), st.integers(1, 6), st.integers(1, 6)),
    st.integers(0, 120),
    st.integers(0, 9),
    st.integers(0, 1000),
)
def test_tables_hold_the_pairs_of_the_rulebooks(shape, count, spare, seed):
    sites = random_sites(shape, count, seed)
    capacity = len(sites) + spare + 1
    static = padded(sites, capacity)
    assert pairs_in(submanifold_table(static), capacity) == pairs_of(sites.submanifold)
    for halving in HALVINGS:
        expected, rulebook = sites.strided(*halving)
        room = len(expected) + spare + 1
        output, dropped = strided_sites(static, *halving, room)
        assert output.keys.tolist() == padded(expected, room).keys.tolist()
        assert dropped == 0
        table = strided_table(output, static, *halving)
        assert pairs_in(table, capacity) == pairs_of(rulebook)
    expected, rulebook = sites.strided(*FLATTENING)
    output = padded(expected, len(expected) + 1)
    table = strided_table(output, static, *FLATTENING)
    assert pairs_in(table, capacity) == pairs_of(rulebook)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 150), st.integers(1, 60), st.integers(0, 1000))
def test_what_finds_no_room_is_counted_and_has_the_highest_keys(count, room, seed):
    sites = random_sites((6, 7, 8), count, seed)
    for halving in HALVINGS:
        expected, _ = sites.strided(*halving)
        output, dropped = strided_sites(padded(sites, count + 3), *halving, room)
        assert int(dropped) == max(len(expected) - room, 0)
        assert output.keys[output.active].tolist() == expected.keys[:room].tolist()


def encoder_of(*widths, blocks=1):
    encoder = fill(SparseEncoder(5, widths, blocks), "pts_middle_encoder.")
    return fold_batch_norm(encoder.requires_grad_(False))


@pytest.mark.parametrize("count", [0, 1, 60, 900])
@pytest.mark.parametrize("spare", [1, 300])
@torch.inference_mode()
def test_the_bev_is_that_of_the_ordinary_encoder(monkeypatch, count, spare):
    # Blocks so small that there are several, the last one not full.
    monkeypatch.setitem(static_encoder.GATHERED_BYTES, "cpu", 100_000)
    encoder = encoder_of(8, 8, 16, 16, blocks=2)
    sites = random_sites((41, 24, 32), count)
    features = uniform("sparse.features", (count + spare, 5), -1, 1)
    expected = encoder(features[:count], sites)
    monkeypatch.setattr(static_encoder, "SHARES", (30.0,))
    bev, dropped = StaticEncoder(encoder)(features, padded(sites, count + spare))
    torch.testing.assert_close(bev, expected, atol=1e-5, rtol=1e-5)
    assert bev.stride()[1:] == expected.stride()[1:]
    assert dropped.tolist() == [0, 0, 0]


@torch.inference_mode()
def test_vector_a3_sparse_encoder(monkeypatch):
    # Its sites are drawn by lot: single sites reach more others than SHARES are made for.
    monkeypatch.setattr(static_encoder, "SHARES", (4.0,))
    vector = load_vector("a3_sparse_encoder")
    encoder = fill(SparseEncoder(5, (16, 32, 64, 128), blocks=2), "pts_middle_encoder.")
    sample, *place = vector["coors_bzyx"].long().unbind(1)
    tolerance = 1e-4 * vector["bev"].abs().max().item()
    for number in range(2):
        mine = sample == number
        keys, order = Sites.empty(1, (41, 128, 160)).key(0, *(axis[mine] for axis in place)).sort()
        sites = padded(Sites(keys, 1, (41, 128, 160)), len(keys) + 100)
        features = torch.cat([vector["features"][mine][order], torch.full((100, 5), 7.0)])
        bev, dropped = StaticEncoder(encoder)(features, sites)
        assert not dropped.any()
        torch.testing.assert_close(bev[0], vector["bev"][number], atol=tolerance, rtol=0)


@torch.inference_mode()
def test_it_has_the_parameters_of_the_ordinary_encoder():
    encoder = encoder_of(4, 8)
    static = StaticEncoder(encoder)
    sites, features = random_sites((9, 8, 8), 20), uniform("f", (20, 5), -1, 1)
    encoder.conv_input[0].weight.mul_(2.0)
    expected = encoder(features, sites)
    bev, _ = static(features, padded(sites, 20))
    torch.testing.assert_close(bev, expected, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_half_precision_stays_close():
    encoder = encoder_of(8, 16)
    sites, features = random_sites((9, 16, 16), 300), uniform("f", (300, 5), -1, 1)
    expected = encoder(features, sites)
    bev, _ = StaticEncoder(encoder, torch.bfloat16)(features, padded(sites, 300))
    assert bev.dtype == torch.bfloat16
    assert (bev.float() - expected).norm() <= 0.02 * expected.norm()


def test_capacities_never_exceed_the_cells_of_a_stage():
    assert stage_capacities(1000, (41, 1600, 1600), 4) == (1000, 1750, 1250, 500)
    # 9 x 8 x 8 cells halve to 5 x 4 x 4, and these to 2 x 2 x 2.
    assert stage_capacities(1000, (9, 8, 8), 3) == (1000, 80, 8)
