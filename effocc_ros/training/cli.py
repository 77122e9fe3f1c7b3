# SPDX-License-Identifier: Apache-2.0
"""`effocc train`."""

import argparse
import sys


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb `train`."""
    parser = subparsers.add_parser(
        "train",
        help="train a network, or go on with a training",
        description="Train a network. CONFIG is a shipped training or a YAML file; key=value "
        "changes a field, with dots for nested ones: stage_weights.logits=2. A training that was "
        "stopped goes on when the same command is run again. Under torchrun and SLURM the same "
        "command trains on many devices.",
    )
    parser.add_argument("config", metavar="CONFIG", help="a shipped training, or a YAML file")
    parser.add_argument("values", nargs="*", metavar="key=value", help="fields to change")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run `effocc train`.

    Returns:
        0 at the end, 128 and the number of the signal that stopped it.
    """
    from effocc_ros.training.config_files import load_config
    from effocc_ros.training.processes import end_processes
    from effocc_ros.training.trainer import train

    result = train(load_config(arguments.config, arguments.values))
    end_processes()
    if result.rank == 0 and not result.finished:
        print(
            f"stopped after {result.steps} steps; the same command goes on: {result.folder}",
            file=sys.stderr,
        )
    elif result.rank == 0:
        print(f"trained {result.steps} steps: {result.folder}")
    return 0 if result.finished else 128 + result.signal
