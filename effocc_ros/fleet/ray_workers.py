# SPDX-License-Identifier: Apache-2.0
"""Workers that are actors of a Ray cluster: one for each GPU, or for each N threads of CPU."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from effocc_ros import __version__
from effocc_ros.errors import InputError
from effocc_ros.fleet.crew import Crew, PrepareOn
from effocc_ros.fleet.schedule import Died, Done, Event, Ready
from effocc_ros.fleet.serving import Handle, Prepare, Reply, reply, use_threads, worker_name
from effocc_ros.memory import keep_freed_memory

CURRENT = Path("/tmp/ray/ray_current_cluster")
"""Where `ray start` notes the address that `auto` stands for, even after a crash."""

ANSWER_S = 10.0
"""Seconds in which a cluster's port has to answer: `ray.init` itself waits for minutes, and then
ends the process."""

START_S = 300.0
"""Seconds in which the first actor has to begin."""


@dataclass
class _Seat:
    """A place for a worker, and what it was asked last."""

    actor: Any
    awaited: Any
    name: str = ""


class RayWorkers:
    """Actors, each with one task at a time; one that dies is followed by another.

    A context manager: leaving the block ends them, and the cluster if it was started here.

    Args:
        crew: How many, with which threads and devices, on which cluster.
        tasks: How much there is to do: more actors than that are not started.
        prepare_on: Makes what each does first.

    Raises:
        InputError: Ray is not installed, or the cluster cannot be reached or lacks a GPU.
    """

    def __init__(self, crew: Crew, tasks: int, prepare_on: PrepareOn):
        self._ray = connect(crew.ray)
        try:
            gpu = _wants_gpu(crew.device, self._ray.cluster_resources())
            count = crew.workers or _capacity(self._ray.cluster_resources(), gpu, crew.threads)
        except BaseException:
            self._ray.shutdown()
            raise
        self._count = max(1, min(count, tasks))
        self._threads = crew.threads or 1
        # Ray shows an actor its own GPU alone, as the first.
        self._prepare = prepare_on(["cuda:0" if gpu else "cpu"])
        # One that dies is replaced here, where its task is known.
        options = {"num_cpus": self._threads, "num_gpus": int(gpu), "max_restarts": 0}
        self._actor = self._ray.remote(**options)(_Actor)
        self._seats: list[_Seat] = []

    def __enter__(self) -> "RayWorkers":
        self._seats = [self._seat() for _ in range(self._count)]
        return self

    def __exit__(self, *_: object) -> None:
        for seat in self._seats:
            self._ray.kill(seat.actor)
        self._ray.shutdown()

    def give(self, worker: str, task: Any) -> None:
        """Send a task to a worker that has none."""
        seat = next(seat for seat in self._seats if seat.name == worker)
        seat.awaited = seat.actor.work.remote(task)

    def events(self) -> list[Event]:
        """Wait until something happens, and say what.

        Raises:
            InputError: Of a worker's own, or no actor begins.
        """
        numbers = {s.awaited: n for n, s in enumerate(self._seats) if s.awaited is not None}
        begun = any(seat.name for seat in self._seats)
        ready, _ = self._ray.wait(list(numbers), timeout=None if begun else START_S)
        if not ready:
            raise _no_room(self._ray.cluster_resources())
        return [self._event(numbers[each]) for each in ready]

    def _event(self, number: int) -> Event:
        seat = self._seats[number]
        awaited, seat.awaited = seat.awaited, None
        try:
            answer: Reply = self._ray.get(awaited)
        except self._ray.exceptions.RayError as error:
            self._seats[number] = self._seat()
            return Died(seat.name, str(error).strip().splitlines()[0])
        value = answer.taken()
        if not seat.name:
            seat.name = value
            return Ready(value)
        return Done(seat.name, value)

    def _seat(self) -> _Seat:
        actor = self._actor.remote()
        return _Seat(actor, actor.begin.remote(self._prepare, self._threads, __version__))


class _Actor:
    """What runs in the cluster."""

    def __init__(self):
        keep_freed_memory()
        self._handle: Handle | None = None

    def begin(self, prepare: Prepare, threads: int, version: str) -> Reply:
        """Make a worker of this process; its name is the reply."""

        def begin() -> str:
            if version != __version__:
                raise InputError(
                    f"worker {worker_name()}",
                    found=f"effocc_ros {__version__}",
                    expected=f"{version}, as where the command runs",
                    do="Install the same version on all machines of the cluster",
                    reason="versions_differ",
                )
            use_threads(threads)
            self._handle = prepare(0)
            return worker_name()

        return reply(begin)

    def work(self, task: Any) -> Reply:
        """Do a task."""
        return reply(self._handle, task)


def connect(address: str) -> Any:
    """Return the module ``ray``, connected to a cluster.

    Args:
        address: ``auto``, ``host:port``, or ``local`` to start one on this machine.

    Raises:
        InputError: Ray is not installed, or nothing answers.
    """
    # Read when it is imported. Nothing is told to its makers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise InputError(
            f"--ray {address}",
            found="no Ray in this Python",
            expected="the extra `fleet`",
            do="python -m pip install 'ray>=2.60,<3', here and on each machine of the cluster; or "
            "leave out --ray and share the work out by processes or --shard",
            reason="no_ray",
        ) from error
    _check_answers(address)
    try:
        ray.init(
            address=address,
            log_to_driver=False,  # what is logged about a bag is in its report
            logging_level="ERROR",
            **({"include_dashboard": False} if address == "local" else {}),
        )
    except (Exception, SystemExit) as error:
        raise _unreachable(address, str(error)) from error
    return ray


def _check_answers(address: str) -> None:
    """Raise InputError where nobody listens at a cluster's address."""
    place = address
    if address == "auto":
        place = os.environ.get("RAY_ADDRESS", "")
        if not place and CURRENT.is_file():
            place = CURRENT.read_text(encoding="utf-8").strip()
    host, colon, port = place.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return  # Ray knows what it is, or says that it does not
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, f"{place}: {error}") from error


def _unreachable(address: str, found: str) -> InputError:
    return InputError(
        f"--ray {address}",
        found=f"no cluster that answers ({found})",
        expected="auto (a cluster that this machine belongs to), host:port, or local",
        do="Start one (`ray start --head`), or name the address that it printed",
        reason="no_cluster",
    )


def _wants_gpu(device: str, resources: dict[str, float]) -> bool:
    there = resources.get("GPU", 0) >= 1
    if device not in ("auto", "cpu", "cuda") or (device == "cuda" and not there):
        raise InputError(
            f"--device {device}",
            found=f"a cluster with {resources.get('GPU', 0):g} GPUs",
            expected="auto, cpu, or cuda where the cluster has GPUs: Ray chooses which",
            reason="bad_device",
        )
    return device != "cpu" and there


def _capacity(resources: dict[str, float], gpu: bool, threads: int | None) -> int:
    if gpu:
        return int(resources["GPU"])
    return int(resources.get("CPU", 1)) // (threads or 1)


def _no_room(resources: dict[str, float]) -> InputError:
    there = ", ".join(f"{resources.get(name, 0):g} {name}" for name in ("CPU", "GPU"))
    return InputError(
        "Ray cluster",
        found=f"no actor that began within {START_S:.0f} s ({there}, perhaps in use by others)",
        expected="room for one",
        do="Wait for the others' jobs (`ray status`), or use fewer --threads",
        reason="no_room",
    )
