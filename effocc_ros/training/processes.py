# SPDX-License-Identifier: Apache-2.0
"""One process or many: what Lightning Fabric is told of the machine."""

import logging
import os
from collections.abc import Callable, Iterator
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

    Under torchrun its numbers count; under SLURM and alone those of the config.

    Raises:
        InputError: There is no such device, or the batch does not divide among the processes.
    """
    device = choose_device(config.device)
    devices, nodes = config.devices, config.num_nodes
    if "TORCHELASTIC_RUN_ID" in os.environ:
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
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
