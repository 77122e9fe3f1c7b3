# SPDX-License-Identifier: Apache-2.0
"""One process or many: what Lightning Fabric is told of the machine."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy

from effocc_ros.errors import InputError
from effocc_ros.predictor import choose_device
from effocc_ros.training.config import TrainConfig


def start_fabric(config: TrainConfig) -> Fabric:
    """Join the processes of a training.

    Under torchrun and SLURM their numbers count, else those of the config.

    Raises:
        InputError: There is no such device, the batch does not divide among the processes, or
            SLURM's tasks were started in a way that cannot train together.
    """
    device = choose_device(config.device)
    devices, nodes = processes(os.environ) or (config.devices, config.num_nodes)
    world = devices * nodes
    part = config.batch_size // config.accumulate
    if part % world:
        raise InputError(
            "batch_size",
            found=f"{config.batch_size} in {config.accumulate} parts for {world} processes",
            expected="parts that all processes share evenly",
            reason="bad_config",
        )
    numbered = device.type == "cuda" and world == 1
    strategy = "auto"
    if world > 1:
        # Statistics of batch normalisations are each process's own, as in the official runs; the
        # first one's are kept. Every parameter gets a gradient, also that of a silent sensor's
        # branch, but for a flow that is not learned.
        strategy = DDPStrategy(
            find_unused_parameters=config.flow_weight == 0, forward_sync_buffers=False
        )
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    fabric = Fabric(
        accelerator=device.type,
        devices=[device.index or 0] if numbered else devices,
        num_nodes=nodes,
        strategy=strategy,
        precision="32-true",  # never bf16-mixed: see precision.py
    )
    fabric.launch()
    return fabric


def processes(variables: Mapping[str, str]) -> tuple[int, int] | None:
    """Return the processes of each machine and the machines, as torchrun or SLURM say; or None.

    Args:
        variables: The environment of a process.

    Raises:
        InputError: SLURM's tasks are not spread evenly by --ntasks-per-node, which Fabric wants,
            or this process is not one of them and would wait for the others in vain.
    """
    if "TORCHELASTIC_RUN_ID" in variables:
        devices = int(variables["LOCAL_WORLD_SIZE"])
        return devices, int(variables["WORLD_SIZE"]) // devices
    # As Fabric sees it: a shell in an allocation is no task of its own.
    interactive = variables.get("SLURM_JOB_NAME") in ("bash", "interactive")
    if "SLURM_NTASKS" not in variables or interactive:
        return None
    tasks, nodes = int(variables["SLURM_NTASKS"]), int(variables.get("SLURM_NNODES", "1"))
    devices = variables.get("SLURM_NTASKS_PER_NODE", "1" if tasks == 1 else "")
    by_srun = tasks == 1 or "SLURM_STEP_ID" in variables
    if devices and tasks == int(devices) * nodes and by_srun:
        return int(devices), nodes
    how = f"--nodes {nodes} --ntasks-per-node {max(tasks // nodes, 1)}"
    each = f" and --ntasks-per-node {devices}" if devices else " without --ntasks-per-node"
    raise InputError(
        "SLURM",
        found=f"--ntasks {tasks} on {nodes} machine{'s' * (nodes > 1)}{each}"
        if by_srun
        else f"{tasks} tasks of which one trains, for srun did not start it",
        expected="as many tasks on each machine, started by srun",
        do=f"srun {how} effocc train ...",
        reason="bad_slurm_tasks",
    )


@contextmanager
def first_only(fabric: Fabric, manager: Any) -> Iterator[Any]:
    """Enter a context in the first process; all fail if it cannot.

    Args:
        fabric: The processes.
        manager: A context manager, entered in the first process alone.

    Yields:
        What the manager gives, and None in the other processes.

    Raises:
        InputError: The first process raised it.
    """
    with ExitStack() as stack:
        value, error = None, None
        if fabric.is_global_zero:
            try:
                value = stack.enter_context(manager)
            except InputError as raised:
                error = raised
        error = fabric.broadcast(error)
        if error is not None:
            raise error
        yield value


def sum_of_processes(fabric: Fabric, values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Add up named () tensors over all processes, in one message."""
    if fabric.world_size == 1 or not values:
        return values
    total = fabric.all_reduce(torch.stack(list(values.values())), reduce_op="sum")
    return dict(zip(values, total.unbind(), strict=True))


def highest_of_processes(fabric: Fabric, *values: float) -> tuple[float, ...]:
    """Return the highest of each number over all processes, so that all decide alike."""
    if fabric.world_size == 1:
        return values
    numbers = torch.tensor(values, dtype=torch.float64, device=fabric.device)
    torch.distributed.all_reduce(numbers, torch.distributed.ReduceOp.MAX)
    return tuple(numbers.tolist())


def gathered(fabric: Fabric, value: Any) -> list[Any]:
    """Return a value of every process, in the order of their ranks."""
    if fabric.world_size == 1:
        return [value]
    values: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(values, value)
    return values


def in_first(fabric: Fabric, function: Callable[[], Any]) -> Any:
    """Call a function in the first process; all get what it returns, or its InputError."""

    @contextmanager
    def called() -> Iterator[Any]:
        yield function()

    with first_only(fabric, called()) as value:
        return fabric.broadcast(value)


def end_processes() -> None:
    """Part from the other processes, all at once: one that just exits may be ended by an abort."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
