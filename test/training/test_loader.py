# SPDX-License-Identifier: Apache-2.0
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from helpers.moments import CONFIG, Moments

from effocc_ros.errors import InputError
from effocc_ros.training.augmentation import Augmentation
from effocc_ros.training.loader import EpochPlan, make_loader


def loader_of(source, augmentation=Augmentation(), **options):  # noqa: B008 (frozen)
    options = {"batch_size": 2, "workers": 0, "seed": 5, **options}
    return make_loader(source, CONFIG, augmentation, **options)


def fingerprint(batch) -> tuple:
    """Everything in a batch that seeds decide, as numbers that can be compared."""
    inputs = batch.inputs
    return (
        batch.tokens,
        batch.labels.flatten().tolist(),
        inputs.images.flatten().tolist()[::97],
        inputs.post_rots.flatten().tolist(),
        inputs.bda.flatten().tolist(),
        [points.sum().item() for points in inputs.points],
        inputs.depth.sum().item(),
    )


def tokens(batches) -> list:
    return [batch.tokens for batch in batches]


def test_workers_change_nothing():
    here = [fingerprint(b) for b in loader_of(Moments(5)).batches(1)]
    loader = loader_of(Moments(5), workers=2)
    assert [fingerprint(b) for b in loader.batches(1)] == here
    loader.close()


def test_workers_that_persist_read_every_epoch_anew():
    loader = loader_of(Moments(6), workers=1)
    first, second = ([fingerprint(b) for b in loader.batches(epoch)] for epoch in (0, 1))
    processes = loader._loader._iterator._workers
    again = [fingerprint(b) for b in loader.batches(0)]
    assert loader._loader._iterator._workers is processes
    assert again == first
    assert sorted(sum(tokens(loader.batches(0)), ())) == sorted(sum(tokens(loader.batches(1)), ()))
    assert [b[0] for b in first] != [b[0] for b in second]
    # The same sample is augmented in another way.
    turns = [
        {t: b[3][i * 18 : i * 18 + 18] for b in e for i, t in enumerate(b[0])}
        for e in (first, second)
    ]
    assert all(turns[0][token] != turns[1][token] for token in turns[0])
    loader.close()


@pytest.mark.parametrize("workers", [0, 1])
def test_going_on_within_an_epoch_gives_its_tail(workers):
    loader = loader_of(Moments(7), workers=workers)
    whole = [fingerprint(b) for b in loader.batches(3)]
    assert [fingerprint(b) for b in loader.batches(3, start=2)] == whole[2:]
    loader.close()


def test_what_was_skipped_is_not_read():
    source = Moments(7)
    assert len(list(loader_of(source).batches(0, start=3))) == 1
    assert len(source.read_places) == 2


def test_two_ranks_see_the_batches_of_one():
    alone = [fingerprint(b) for b in loader_of(Moments(7), batch_size=4).batches(2)]
    ranks = [
        [fingerprint(b) for b in loader_of(Moments(7), batch_size=4, rank=r, world=2).batches(2)]
        for r in (0, 1)
    ]
    assert [len(share) for share in ranks] == [2, 2]
    for whole, first, second in zip(alone, *ranks, strict=True):
        assert whole[0][0::2] == first[0]
        assert whole[0][1::2] == second[0]
        assert whole[4][:16] == first[4][:16]
        assert whole[4][16:32] == second[4][:16]


def test_the_last_batch_is_filled_from_the_first_or_left_out():
    plan = EpochPlan(5, 4, seed=0, shuffle=False)
    assert [[i for i, _ in batch] for batch in plan.places(0)] == [[0, 1, 2, 3], [4, 0, 1, 2]]
    dropped = EpochPlan(5, 4, seed=0, shuffle=False, drop_last=True)
    assert [[i for i, _ in batch] for batch in dropped.places(0)] == [[0, 1, 2, 3]]
    tiny = EpochPlan(1, 4, seed=0, rank=1, world=2, shuffle=False)
    assert list(tiny.places(9)) == [[(0, 9), (0, 9)]]


def test_the_order_depends_on_seed_and_epoch():
    orders = {
        tuple(EpochPlan(50, 50, seed=seed).places(epoch).__next__())
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len({tuple(i for i, _ in order) for order in orders}) == 4
    assert all(sorted(i for i, _ in order) == list(range(50)) for order in orders)


def test_without_augmentation_nothing_is_changed():
    batch = next(iter(loader_of(Moments(2), None, shuffle=False)))
    assert batch.tokens == ("token0", "token1")
    assert torch.equal(batch.inputs.bda, torch.eye(4).repeat(2, 1, 1))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_a_worker_is_the_one_it_was(workers):
    loader = loader_of(Moments(3, broken=1), workers=workers)
    with pytest.raises(InputError, match=r"^file 1.bin: found half; expected all. Copy it.$") as e:
        list(loader.batches(0))
    assert e.value.reason == "bad_file"
    loader.close()


class Deadly(Moments):
    def read(self, index, epoch):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_killed_is_said():
    loader = loader_of(Deadly(4), workers=1)
    with pytest.raises(InputError, match="a worker that reads samples: found its end"):
        list(loader.batches(0))
    loader.close()


def test_an_epoch_that_was_given_up_does_not_reach_into_the_next():
    loader = loader_of(Moments(8), workers=1)
    given_up = loader.batches(0)
    next(given_up)
    expected = tokens(loader_of(Moments(8)).batches(1))
    assert tokens(loader.batches(1)) == expected
    with pytest.raises(RuntimeError, match="another epoch"):
        next(given_up)
    loader.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_size": 3, "world": 2}, "batch_size: found 3; expected a multiple of 2 ranks"),
        ({"batch_size": 0}, "batch_size: found 0"),
        ({"rank": 2, "world": 2}, "rank: found 2 of 2"),
        ({"batch_size": 8, "drop_last": True}, "found 4 samples for batches of 8"),
    ],
)
def test_batches_that_cannot_be_made_are_refused(options, said):
    with pytest.raises(InputError, match=said):
        loader_of(Moments(4), **options)


def test_an_empty_split_is_refused():
    with pytest.raises(InputError, match="samples to learn from: found 0 samples"):
        loader_of(Moments(0))


TRAINING = """
import sys
sys.path.insert(0, {tests!r})
from helpers.moments import CONFIG, Moments
from effocc_ros.training.loader import make_loader
loader = make_loader(Moments(1000), CONFIG, None, batch_size=1, workers=2, seed=0)
for batch in loader:
    print(*(w.pid for w in loader._loader._iterator._workers), flush=True)
    sys.stdin.readline()
"""


TOLD_TO_END = """
import os, signal
from effocc_ros.training import loader as module
settle = module.settle

def told_to_end():
    os.kill(os.getpid(), signal.SIGTERM)
    settle()

module.settle = told_to_end
"""
"""Workers to which SIGTERM comes before they have begun."""


def test_a_signal_that_comes_while_workers_begin_ends_none(repository):
    script = TOLD_TO_END + TRAINING.format(tests=str(repository / "test")) + "    break\n"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, input="\n", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 2


def test_workers_die_with_their_parent_and_not_before(repository):
    command = [sys.executable, "-c", TRAINING.format(tests=str(repository / "test"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        workers = [int(word) for word in parent.stdout.readline().split()]
        for worker in workers:
            os.kill(worker, signal.SIGTERM)
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert parent.stdout.readline().split() == [str(worker) for worker in workers]
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + 20
        while any(map(_alive, workers)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(_alive, workers))


def test_a_training_that_fails_ends_with_its_workers(repository):
    script = TRAINING.format(tests=str(repository / "test")) + "    raise OSError('on purpose')\n"
    failed = subprocess.run(
        [sys.executable, "-c", script], input="\n", capture_output=True, text=True, timeout=60
    )
    assert failed.stderr.endswith("OSError: on purpose\n")
    assert not any(_alive(int(pid)) for pid in failed.stdout.split())


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
