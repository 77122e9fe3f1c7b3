# SPDX-License-Identifier: Apache-2.0
"""Batches of an epoch, decoded and prepared by worker processes.

Which samples are in global batch k of an epoch, and what augmentation makes of them, depends on
the seed, the epoch and the samples alone: not on the number of workers or ranks, and not on
whether the epoch began at its beginning.
"""

import atexit
import random
import signal
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch.utils.data import DataLoader, Sampler

from effocc_ros.datasets.sample import LabelSpace, Sample
from effocc_ros.errors import InputError
from effocc_ros.networks.config import ModelConfig
from effocc_ros.training.augmentation import Augmentation
from effocc_ros.training.batch import Batch, check_even, check_space, collate, make_batch
from effocc_ros.worker_processes import settle

PREFETCHED = 2
"""Batches that each worker prepares ahead."""
Place = tuple[int, int]
"""Index of a sample, and the epoch it is read in."""


class SampleSource(Protocol):
    """What a loader reads: NuscenesDataset, Occ3dWaymoDataset, or the like."""

    space: LabelSpace

    def __len__(self) -> int: ...

    def read(self, index: int, epoch: int) -> Sample:
        """Read a sample as it is in an epoch."""


@dataclass(frozen=True)
class EpochPlan:
    """Which samples each global batch of an epoch holds, and which of them are a rank's.

    Attributes:
        count: Samples in the data set.
        batch_size: Samples of a global batch, of all ranks together.
        seed: Seed of the order.
        rank: Which process, from 0.
        world: How many processes.
        shuffle: Another order in every epoch; else that of the data set.
        drop_last: Leave out what does not fill a batch; else the batch is filled up with samples
            from the epoch's beginning. Either way all ranks get as many batches.
    """

    count: int
    batch_size: int
    seed: int
    rank: int = 0
    world: int = 1
    shuffle: bool = True
    drop_last: bool = False

    def __post_init__(self):
        if self.world < 1 or not 0 <= self.rank < self.world:
            raise _bad("rank", f"{self.rank} of {self.world}", "0 to world - 1")
        if self.batch_size < 1 or self.batch_size % self.world:
            raise _bad("batch_size", str(self.batch_size), f"a multiple of {self.world} ranks")
        if not len(self):
            found = f"{self.count} samples for batches of {self.batch_size}"
            raise _bad("samples to learn from", found, "enough for one batch")

    def __len__(self) -> int:
        """Return the number of global batches in an epoch."""
        whole, rest = divmod(self.count, self.batch_size)
        return whole if self.drop_last else whole + bool(rest)

    def places(self, epoch: int, start: int = 0) -> Iterator[list[Place]]:
        """Yield this rank's share of each global batch, from batch ``start`` on."""
        order = list(range(self.count))
        if self.shuffle:
            random.Random(f"order {self.seed} {epoch}").shuffle(order)
        for first in range(start * self.batch_size, len(self) * self.batch_size, self.batch_size):
            share = range(first + self.rank, first + self.batch_size, self.world)
            yield [(order[number % self.count], epoch) for number in share]


class TrainingLoader:
    """Yields the batches of epochs; made by :func:`make_loader`.

    Its workers live until :meth:`close`, or until the process ends, in whichever way.

    Attributes:
        plan: Which samples come when.
        epoch: The epoch that iterating yields.
    """

    def __init__(self, reader: "_Reader", plan: EpochPlan, workers: int):
        self.plan, self.epoch = plan, 0
        self._places = _Places(plan)
        self._turn, self._closes = 0, False
        self._loader = DataLoader(
            reader,
            batch_sampler=self._places,
            num_workers=workers,
            collate_fn=_as_it_is,
            persistent_workers=workers > 0,
            prefetch_factor=PREFETCHED if workers else None,
            worker_init_fn=_begin,
            pin_memory=torch.cuda.is_available(),
        )

    def __len__(self) -> int:
        """Return the number of batches in an epoch, the same for all ranks."""
        return len(self.plan)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that iterating yields."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Batch]:
        return self.batches(self.epoch)

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield this rank's share of an epoch's global batches, on the CPU.

        Args:
            epoch: Which epoch.
            start: The first batch. Those before it are not read.

        Raises:
            InputError: A sample cannot be read or does not fit the network, or the system ended
                a worker.
        """
        self._turn += 1
        turn = self._turn
        self._places.epoch, self._places.start = epoch, start
        batches = None
        while True:
            if turn != self._turn:
                raise RuntimeError("batches of another epoch were asked for in the meantime")
            try:
                if batches is None:
                    with _termination_waits():
                        batches = iter(self._loader)
                    self._close_at_exit()
                batch = next(batches, None)
            except RuntimeError as error:
                if "DataLoader worker" not in str(error):
                    raise
                raise _died(error) from error
            if batch is None:
                return
            if isinstance(batch, InputError):
                raise batch
            yield batch

    def close(self) -> None:
        """End the workers."""
        self._turn += 1
        # torch has no public way to end workers that persist, and one that an unfinished
        # generator still holds does not go by itself.
        iterator, self._loader._iterator = self._loader._iterator, None
        if iterator is not None:
            iterator._shutdown_workers()
            for worker in iterator._workers:
                worker.kill()

    def _close_at_exit(self) -> None:
        """Close before Python waits for its children, which do not end by its SIGTERM.

        Called once the workers run: what is registered last is done first.
        """
        if self._loader._iterator is not None and not self._closes:
            self._closes = True
            atexit.register(_close, weakref.ref(self))


def make_loader(
    dataset: SampleSource,
    config: ModelConfig,
    augmentation: Augmentation | None,
    *,
    batch_size: int,
    workers: int,
    seed: int,
    rank: int = 0,
    world: int = 1,
    shuffle: bool = True,
    drop_last: bool = False,
) -> TrainingLoader:
    """Make the loader of a training process.

    Args:
        dataset: The samples. It should read the sensors and sweeps that the network takes.
        config: The network's preset; of teacher and student that of the one that takes more.
        augmentation: What is changed at random; None changes nothing.
        batch_size: Samples of a global batch, of all ranks together; each rank gets
            ``batch_size / world`` of them.
        workers: Processes of one thread that read and prepare; 0 does so in this process.
        seed: Seed of order and augmentation.
        rank: Which of the training's processes this is.
        world: How many they are.
        shuffle: Another order in every epoch.
        drop_last: Leave out the samples that do not fill the last batch, instead of filling it
            with some of the first again.

    Raises:
        InputError: The labels are not those that the network gives, there are too few samples, or
            the batch cannot be shared among the ranks.
    """
    check_space(dataset.space, config)
    if augmentation is not None:
        axes = (axis for axis in "xy" if getattr(augmentation, f"flip_{axis}") > 0)
        check_even(config, "".join(axes))
    plan = EpochPlan(len(dataset), batch_size, seed, rank, world, shuffle, drop_last)
    return TrainingLoader(_Reader(dataset, config, augmentation, seed), plan, workers)


@dataclass
class _Places(Sampler[list[Place]]):
    """Hands the plan of one epoch to a DataLoader, in the process of the loader."""

    plan: EpochPlan
    epoch: int = 0
    start: int = 0

    def __iter__(self) -> Iterator[list[Place]]:
        return self.plan.places(self.epoch, self.start)

    def __len__(self) -> int:
        return len(self.plan) - self.start


@dataclass(frozen=True)
class _Reader:
    """Reads and prepares batches, in the workers."""

    dataset: SampleSource
    config: ModelConfig
    augmentation: Augmentation | None
    seed: int

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, places: Sequence[Place]) -> Batch | InputError:
        try:
            return collate([self._batch_of_one(*place) for place in places])
        except InputError as error:
            # Raised here it would arrive as a RuntimeError with a worker's traceback in it.
            return error

    def _batch_of_one(self, index: int, epoch: int) -> Batch:
        sample = self.dataset.read(index, epoch)
        if self.augmentation is None:
            return make_batch(sample, self.config)
        frame, variation = self.augmentation.draw(
            sample.frame, self.config, seed=self.seed, epoch=epoch, token=sample.token
        )
        return make_batch(sample, self.config, frame=frame, variation=variation)


def _close(loader: Callable[[], TrainingLoader | None]) -> None:
    alive = loader()
    if alive is not None:
        alive.close()


def _as_it_is(batch: Batch | InputError) -> Batch | InputError:
    return batch


def _begin(worker: int) -> None:
    settle()
    # Who stops a training often tells its whole process group. The training process decides when
    # its workers end: it may still want the batches of the step that it is in.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


@contextmanager
def _termination_waits() -> Iterator[None]:
    """Hold SIGTERM back while workers are made, which keep it so until they are deaf to it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _bad(what: str, found: str, expected: str) -> InputError:
    return InputError(what, found=found, expected=expected, reason="bad_loader")


def _died(error: RuntimeError) -> InputError:
    return InputError(
        "a worker that reads samples",
        found=f"its end ({str(error).splitlines()[0]})",
        expected="one that lives; where it says nothing above, the system ended it for want of "
        "memory, or /dev/shm is full",
        do="Use fewer workers or smaller batches, or make /dev/shm larger",
        reason="worker_died",
    )
