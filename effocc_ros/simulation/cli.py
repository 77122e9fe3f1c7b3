# SPDX-License-Identifier: Apache-2.0
"""`effocc simulate`."""

import argparse
from collections.abc import Callable
from pathlib import Path


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(side) for side in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not WIDTHxHEIGHT, for example 704x396"
        ) from None
    return height, width


def whole_number(least: int) -> Callable[[str], int]:
    """Return an argparse type: a whole number that is not below ``least``."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or number < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} up")
        return number

    return parse


def register(subparsers) -> None:
    """Add the verb ``simulate``."""
    parser = subparsers.add_parser(
        "simulate",
        help="drive a simulated street and write its bag",
        description="Drive through simulated streets. Without --scenes: one drive as a ROS 2 bag "
        "with its true occupancy. With --scenes: a data set in the files of nuScenes "
        "(v1.0-trainval) and Occ3D (gts/).",
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder that shall appear")
    parser.add_argument(
        "--seed", type=whole_number(0), default=0, help="everything follows from it"
    )
    parser.add_argument("--image-size", type=_size, default=(396, 704), help="WIDTHxHEIGHT")
    parser.add_argument(
        "--workers", type=whole_number(1), help="processes of about 0.9 GB; default: one a core"
    )
    bag = parser.add_argument_group("a bag")
    bag.add_argument("--duration", type=float, default=5.0, help="seconds")
    bag.add_argument("--overwrite", action="store_true", help="replace a bag that is there")
    tree = parser.add_argument_group("a data set")
    tree.add_argument("--scenes", type=whole_number(1), help="number of scenes")
    tree.add_argument(
        "--keyframes", type=whole_number(1), default=40, help="keyframes in each scene, 2 Hz"
    )
    tree.add_argument(
        "--camera-sweeps", action="store_true", help="also the pictures between keyframes, 12 Hz"
    )
    parser.set_defaults(run=_simulate)


def _simulate(arguments: argparse.Namespace) -> None:
    if arguments.scenes is None:
        _simulate_bag(arguments)
    else:
        _simulate_tree(arguments)


def _simulate_bag(arguments: argparse.Namespace) -> None:
    from effocc_ros.simulation.bag import simulate_bag, truth_files
    from effocc_ros.simulation.histogram import label_table

    path = simulate_bag(
        arguments.out,
        arguments.seed,
        arguments.duration,
        arguments.image_size,
        workers=arguments.workers,
        overwrite=arguments.overwrite,
    )
    labels = truth_files(path)
    print(label_table(labels))
    print(f"{path}: {arguments.duration:g} s of driving, {len(labels)} labelled moments")


def _simulate_tree(arguments: argparse.Namespace) -> None:
    from effocc_ros.simulation.histogram import label_table
    from effocc_ros.simulation.nuscenes_tree import TreeConfig, label_files, simulate_tree

    config = TreeConfig(
        arguments.scenes,
        arguments.keyframes,
        arguments.seed,
        arguments.image_size,
        arguments.camera_sweeps,
    )
    root = simulate_tree(arguments.out, config, workers=arguments.workers)
    print(label_table(label_files(root, config)))
    print(f"{root}: {config.scenes} scenes of {config.keyframes} keyframes")
