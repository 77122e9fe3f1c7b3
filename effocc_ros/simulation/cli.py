"""`effocc simulate`."""

import argparse
from pathlib import Path


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(side) for side in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not WIDTHxHEIGHT, for example 704x396"
        ) from None
    return height, width


def register(subparsers) -> None:
    """Add the verb ``simulate``."""
    parser = subparsers.add_parser(
        "simulate",
        help="drive a simulated street and write its bag",
        description="Drive through a simulated street and write a ROS 2 bag with its truth.",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="the bag's folder that shall appear"
    )
    parser.add_argument("--seed", type=int, default=0, help="the street follows from it")
    parser.add_argument("--duration", type=float, default=5.0, help="seconds")
    parser.add_argument("--image-size", type=_size, default=(396, 704), help="WIDTHxHEIGHT")
    parser.add_argument("--workers", type=int, default=None, help="processes; default: one a core")
    parser.add_argument("--overwrite", action="store_true", help="replace a bag that is there")
    parser.set_defaults(run=_simulate)


def _simulate(arguments: argparse.Namespace) -> None:
    from effocc_ros.simulation.bag import simulate_bag, truth_stamps

    path = simulate_bag(
        arguments.out,
        arguments.seed,
        arguments.duration,
        arguments.image_size,
        workers=arguments.workers,
        overwrite=arguments.overwrite,
    )
    print(
        f"{path}: {arguments.duration:g} s of driving, {len(truth_stamps(path))} labelled moments"
    )
