# SPDX-License-Identifier: Apache-2.0
import threading
from contextlib import contextmanager

import pytest
import torch
from helpers.deterministic_fill import fill, uniform

from effocc_ros.networks import neighbour_table, pair_lists, rulebook
from effocc_ros.networks.sparse_encoder import SparseEncoder
from effocc_ros.networks.sparse_sites import Sites
from effocc_ros.networks.threads import jobs, one_thread_each, share_out


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


def test_helpers_begin_with_jobs_while_more_are_found_and_all_are_done_once():
    begun, done = threading.Event(), []

    def first():
        begun.set()
        done.append((0, torch.get_num_threads(), torch.is_inference_mode_enabled()))

    with torch.inference_mode(), one_thread_each():
        with jobs() as give:
            give(first)
            assert begun.wait(30), "nobody has begun"
            for number in range(1, 100):
                give(lambda number=number: done.append((number, 1, True)))
        assert sorted(done) == [(number, 1, True) for number in range(100)]


def test_without_helpers_jobs_are_done_in_turn_after_the_block():
    done = []
    with jobs() as give:
        for number in range(3):
            give(lambda number=number: done.append((number, threading.get_ident())))
        assert not done
    assert done == [(number, threading.get_ident()) for number in range(3)]


def test_an_error_of_a_job_reaches_the_caller_from_wherever_it_was_done():
    def fail():
        raise ValueError(threading.current_thread().name)

    with pytest.raises(ValueError, match="MainThread"), jobs() as give:
        give(fail)
    begun = threading.Event()

    def with_a_helper():
        with one_thread_each(), jobs() as give:
            give(lambda: (begun.set(), fail()))
            assert begun.wait(30)

    with pytest.raises(ValueError, match="ThreadPool"):
        with_a_helper()
    assert torch.get_num_threads() == 3


def test_after_an_error_no_job_is_begun():
    begun, done, go_on = threading.Barrier(3, timeout=30), [], threading.Event()

    def busy():
        begun.wait()
        go_on.wait(30)

    def fail():
        with jobs() as give:
            for _ in range(2):  # as many as there are helpers
                give(busy)
            give(lambda: done.append("too late"))
            begun.wait()
            raise ValueError("found no more")

    with one_thread_each():
        with pytest.raises(ValueError, match="no more"):
            fail()
        go_on.set()
    assert not done


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
