# SPDX-License-Identifier: Apache-2.0
"""The options of verbs that share their work out."""

import argparse

LONGEST = 86_400.0
"""Seconds: what options may say, at most."""


def add_crew_options(parser: argparse.ArgumentParser, *, workers: str) -> None:
    """Add the options that say who works and on which part.

    Args:
        parser: Of a verb.
        workers: Name of the option that says how many.
    """
    group = parser.add_argument_group("many processes, machines or jobs")
    group.add_argument(
        workers,
        type=at_least_one,
        metavar="N",
        help="processes that each hold the network; by default one for each GPU, or for each core",
    )
    group.add_argument(
        "--threads",
        type=at_least_one,
        metavar="N",
        help="CPU threads of each; the cores are shared out by default",
    )
    group.add_argument(
        "--ray",
        default="",
        metavar="ADDRESS",
        help="work on a Ray cluster: auto, host:port, or local for one of this machine "
        "(extra: fleet)",
    )
    group.add_argument(
        "--shard",
        default="",
        metavar="I/N",
        help="do only part I (1 to N) of the work, as a job of an array; all with the same --out",
    )


def seconds(text: str) -> float:
    """Read seconds for argparse: 0 to a day."""
    number = float(text)
    if not 0.0 <= number <= LONGEST:
        raise argparse.ArgumentTypeError(f"found {text}; expected 0 to {LONGEST:g} seconds")
    return number


def at_least_one(text: str) -> int:
    """Read a number for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"found {number}; expected at least 1")
    return number
