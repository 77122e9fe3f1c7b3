# SPDX-License-Identifier: Apache-2.0
"""Many bags: two workers against one, and what a bag costs beside its own work.

    python benchmarks/fleet.py
    python benchmarks/fleet.py --bags 16 --interval 0.1

Short bags of one simulated street go through `vision_tiny`, on one thread a worker, by one process
and by two. Wall time counts from the moment when all workers are ready; CPU seconds are those of
the workers, their start included. On a busy machine wall times say little, CPU seconds still do.
Then workers that do nothing take many tasks: what a task costs on its way there and back, with
processes and, where it is installed, with Ray. Memory is what the worker of the first bag holds
after each of its bags; its growth is the slope of a line through all but the first two.
"""

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from cost import resident
from network import cpu_name

from effocc_ros.bags.process import ProcessOptions
from effocc_ros.fleet.bag_worker import BagTask, BagWorkers
from effocc_ros.fleet.crew import Crew, hired
from effocc_ros.fleet.schedule import Event, Ready, Workers, work_through
from effocc_ros.fleet.serving import Handle
from effocc_ros.simulation.bag import simulate_bag

MODEL = "vision_tiny"
NOTHINGS = 500
WARM = 2
"""Bags after which a worker has all that it keeps."""


@dataclass(frozen=True)
class Spent:
    """Seconds from the last worker's being ready, CPU seconds, what a worker returned."""

    wall: float
    cpu: float
    returned: Sequence[Any] = ()


class Watched:
    """Workers, and when the last of them was ready."""

    def __init__(self, workers: Workers):
        self._workers, self.ready = workers, 0.0
        self.give = workers.give

    def events(self) -> Sequence[Event]:
        """Pass on what happens."""
        events = self._workers.events()
        if any(isinstance(event, Ready) for event in events):
            self.ready = time.perf_counter()
        return events


class Measured:
    """A worker that tells the MiB that it holds (Linux)."""

    def __init__(self, handle: Handle):
        self._handle = handle

    def __call__(self, task: BagTask) -> float:
        """Process a bag."""
        report = self._handle(task)
        if report.error:
            raise RuntimeError(report.error)
        return resident()


@dataclass(frozen=True)
class MeasuredWorkers:
    """Makes such workers."""

    workers: BagWorkers

    def __call__(self, number: int) -> Handle:
        """Make one."""
        return Measured(self.workers(number))


class Idle:
    """Makes workers that do nothing."""

    def __init__(self, devices: Sequence[str]):
        pass

    def __call__(self, number: int) -> Handle:
        """Make one."""
        return abs


def spent(crew: Crew, tasks: Sequence[Any], prepare_on: Any) -> Spent:
    cpu = _cpu()
    results = []
    with hired(crew, len(tasks), prepare_on) as workers:
        watched = Watched(workers)
        results = [(outcome.worker, outcome.result) for outcome in work_through(tasks, watched)]
        wall = time.perf_counter() - watched.ready
    return Spent(wall, _cpu() - cpu, [one for worker, one in results if worker == results[0][0]])


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def compare(folder: Path, bags: int, interval: float) -> None:
    simulate_bag(folder / "street", 7, 1.0, (198, 352), progress=False)
    sources = [folder / "bags" / f"street_{number}" for number in range(bags)]
    for source in sources:
        shutil.copytree(folder / "street", source)
    options = ProcessOptions(MODEL, rig="nuscenes", interval_s=interval, device="cpu")
    prepare_on = partial(_workers, options)
    walls = {}
    for workers in (1, 2):
        out = folder / f"by_{workers}"
        tasks = [BagTask(source, out / source.name, {}) for source in sources]
        result = spent(Crew(workers, 1, "cpu"), tasks, prepare_on)
        walls[workers] = result.wall
        held = result.returned
        print(
            f"{workers} worker{'s' * (workers > 1)}: {result.wall:6.1f} s wall, "
            f"{result.cpu:6.1f} s CPU; one holds {' '.join(f'{each:.0f}' for each in held)} MiB "
            f"after each of its bags{growth(held)}",
            flush=True,
        )
    print(f"two workers are {walls[1] / walls[2]:.2f} times as fast as one")


def growth(held: Sequence[float]) -> str:
    """Say how much is added by a bag, where there are enough to tell."""
    steady = held[WARM:]
    if len(steady) < 2:
        return ""
    return f", {np.polyfit(range(len(steady)), steady, 1)[0]:+.1f} a bag"


def _workers(options: ProcessOptions, devices: Sequence[str]) -> MeasuredWorkers:
    return MeasuredWorkers(BagWorkers(options, devices))


def overhead(name: str, crew: Crew) -> None:
    start = time.perf_counter()
    result = spent(crew, range(NOTHINGS), Idle)
    begin = time.perf_counter() - start - result.wall
    print(f"{name}: {1e3 * result.wall / NOTHINGS:.2f} ms a task, {begin:.1f} s to start and end")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bags", type=int, default=8, help="(%(default)s)")
    parser.add_argument(
        "--interval", type=float, default=0.25, help="seconds between frames (%(default)s)"
    )
    arguments = parser.parse_args()
    print(f"{cpu_name()}: {arguments.bags} bags of {MODEL}, one thread a worker")
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), arguments.bags, arguments.interval)
    overhead("processes", Crew(1, 1, "cpu"))
    if find_spec("ray"):
        overhead("Ray", Crew(1, 1, "cpu", "local"))
    else:
        print("Ray is not installed: `make fleet-test` measures it")


if __name__ == "__main__":
    main()
