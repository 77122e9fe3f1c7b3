# SPDX-License-Identifier: Apache-2.0
import threading
from contextlib import contextmanager

import pytest
import torch
from helpers.deterministic_fill import fill, uniform

from effocc_ros.networks import neighbour_table, pair_lists, rulebook
from effocc_ros.networks.sparse_encoder import SparseEncoder
from effocc_ros.networks.sparse_sites import Sites
from effocc_ros.networks.threads import one_thread_each, share_out


@pytest.fixture(name="three_threads", autouse=True)
def _three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_every_item_is_done_once_by_three_threads_of_one_operation_each():
    done, counts, together = [], [], threading.Barrier(3, timeout=30)

    def work(todo):
        together.wait()  # Nobody begins before all three are here.
        counts.append(torch.get_num_threads())
        done.extend(todo)

    with one_thread_each():
        share_out(work, range(100))
    assert sorted(done) == list(range(100))
    assert counts == [1, 1, 1]
    assert torch.get_num_threads() == 3


def test_outside_of_the_block_the_caller_works_alone():
    workers = []
    share_out(lambda todo: workers.append((threading.get_ident(), *todo)), "ab")
    assert workers == [(threading.get_ident(), "a", "b")]


def test_an_error_of_a_helper_reaches_the_caller():
    caller = threading.get_ident()

    def work(todo):
        if threading.get_ident() != caller:
            raise ValueError("helper")

    with pytest.raises(ValueError, match="helper"), one_thread_each():
        share_out(work, [1])
    assert torch.get_num_threads() == 3


@contextmanager
def half_precision():
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        yield


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.enable_grad, half_precision])
def test_the_sparse_encoder_gives_the_same_bits_with_any_number_of_threads(monkeypatch, mode):
    for way in (pair_lists, neighbour_table):
        monkeypatch.setattr(way, "BLOCK", 500)  # many blocks to share out
    monkeypatch.setattr(rulebook, "DENSE", 0.2)  # so that half precision takes both ways
    encoder = fill(SparseEncoder(5, (4, 8), blocks=1), "pts_middle_encoder.")
    keys = torch.randperm(9 * 25 * 25, generator=torch.Generator().manual_seed(0))[:2000]
    features = uniform("sparse.features", (2000, 5), -1, 1)
    with mode():
        several = encoder(features, Sites(keys.sort()[0], 1, (8, 24, 24)))
        torch.set_num_threads(1)
        alone = encoder(features, Sites(keys.sort()[0], 1, (8, 24, 24)))
    assert several.any()
    assert torch.equal(several, alone)
