# SPDX-License-Identifier: Apache-2.0
"""Which workers there are: processes here, or actors of a Ray cluster."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from effocc_ros.fleet.schedule import Workers
from effocc_ros.fleet.serving import Prepare
from effocc_ros.simulation.processes import usable_cores

PrepareOn = Callable[[Sequence[str]], Prepare]
"""Takes the devices of a machine's workers, by number, over and over."""


@dataclass(frozen=True)
class Crew:
    """Who is to work.

    Attributes:
        workers: How many; None for one a GPU, or one for each ``threads`` of the CPU.
        threads: CPU threads of each; None shares the cores out.
        device: ``auto``, ``cpu``, ``cuda`` (each GPU) or ``cuda:1`` (this one alone).
        ray: Address of a Ray cluster; empty for processes of this machine.
    """

    workers: int | None = None
    threads: int | None = None
    device: str = "auto"
    ray: str = ""


@contextmanager
def hired(crew: Crew, tasks: int, prepare_on: PrepareOn) -> Iterator[Workers]:
    """Start the workers, and end them at the end of the block.

    Args:
        crew: Who.
        tasks: How much there is to do: more workers than that are not started.
        prepare_on: Makes what each worker does first.

    Raises:
        InputError: The device or the cluster is not there.
    """
    if crew.ray:
        from effocc_ros.fleet.ray_workers import RayWorkers

        with RayWorkers(crew, tasks, prepare_on) as workers:
            yield workers
        return
    from effocc_ros.fleet.local import LocalWorkers

    devices = _devices(crew.device)
    cores = usable_cores()
    count = crew.workers or (cores // (crew.threads or 1) if devices == ["cpu"] else len(devices))
    count = max(1, min(count, tasks))
    threads = crew.threads or max(1, cores // count)
    with LocalWorkers(count, prepare_on(devices), threads) as workers:
        yield workers


def _devices(name: str) -> list[str]:
    """Return the devices of this machine's workers."""
    import torch

    from effocc_ros.predictor import choose_device

    device = choose_device(name)
    if device.type == "cuda" and name in ("auto", "cuda"):
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [str(device)]
