# SPDX-License-Identifier: Apache-2.0
"""The verbs that turn bags into bags: `effocc process` and `effocc nuscenes2bag`."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from effocc_ros.fleet.options import add_crew_options, seconds

if TYPE_CHECKING:
    from effocc_ros.bags.process import ProcessOptions


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the parsers of ``process`` and ``nuscenes2bag``."""
    add_process(subparsers)
    add_nuscenes2bag(subparsers)


def add_process(subparsers: argparse._SubParsersAction) -> None:
    """Add `effocc process IN_BAG OUT_BAG` and `effocc process BAG... --out DIR`."""
    parser = subparsers.add_parser(
        "process",
        help="turn bags into bags of occupancy, without ROS",
        usage="effocc process [options] IN_BAG OUT_BAG\n"
        "       effocc process [options] BAG... --out DIR",
        description="Run a model over every keyframe of a bag and write what it saw as a bag; "
        "or of many bags, into a folder: the same command again does what is not done yet. "
        "Rig and model are found from the bag, and said with the reason, unless they are named.",
    )
    parser.add_argument(
        "bags",
        nargs="+",
        metavar="BAG",
        help="rosbag2 folder, .mcap or .db3; with --out also folders that hold some, and globs. "
        "Without --out: IN_BAG, and the rosbag2 folder OUT_BAG to write",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the outputs of bags go")
    parser.add_argument(
        "--model", help="preset or checkpoint (the small one for the sensors that the bag has)"
    )
    parser.add_argument(
        "--rig", help="rig preset or file: the bag's topics (the one that fits, or a draft)"
    )
    parser.add_argument(
        "--interval",
        type=seconds,
        default=0.5,
        metavar="SECONDS",
        help="at least this long between two frames; 0: every sweep (%(default)s)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (%(default)s)")
    parser.add_argument(
        "--precision",
        default="float32",
        help="float32; bfloat16 where the device is fast in it; float16 on a GPU (%(default)s)",
    )
    parser.add_argument(
        "--confidence", action="store_true", help="also write the probability of each voxel"
    )
    parser.add_argument(
        "--copy-inputs", action="store_true", help="also copy the sensors' messages"
    )
    parser.add_argument(
        "--also",
        default="",
        metavar="KINDS",
        help="also write voxel grids that other tools draw: foxglove, nav2, or foxglove,nav2",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace OUT_BAG if it is a bag; in DIR, bags that were made of something else",
    )
    add_crew_options(parser, workers="--workers")
    parser.set_defaults(run=run_process)


def run_process(arguments: argparse.Namespace) -> int:
    """Run `effocc process` and print what went in, came out and was dropped."""
    from effocc_ros.bags.process import ProcessOptions, process_bag

    options = ProcessOptions(
        model=arguments.model or "",
        rig=arguments.rig or "",
        interval_s=arguments.interval,
        device=arguments.device,
        precision=arguments.precision,
        confidence=arguments.confidence,
        copy_inputs=arguments.copy_inputs,
        also=tuple(dict.fromkeys(filter(None, arguments.also.split(",")))),
        overwrite=arguments.overwrite,
    )
    if arguments.out is not None:
        return _process_many(arguments, options)
    _check_single(arguments)
    source, target = map(Path, arguments.bags)
    options = _chosen(source, options)
    print(process_bag(source, target, options, progress=True).table())
    return 0


def _process_many(arguments: argparse.Namespace, options: "ProcessOptions") -> int:
    from effocc_ros.fleet.crew import Crew
    from effocc_ros.fleet.process import process_bags
    from effocc_ros.fleet.shard import shard_from_text

    crew = Crew(arguments.workers, arguments.threads, arguments.device, arguments.ray)
    shard = shard_from_text(arguments.shard)
    return process_bags(arguments.bags, arguments.out, options, crew, shard)


def _check_single(arguments: argparse.Namespace) -> None:
    from effocc_ros.errors import InputError

    many = ("workers", "threads", "ray", "shard")
    named = [f"--{name}" for name in many if getattr(arguments, name)]
    number = len(arguments.bags)
    if named or number != 2:
        paths = f"{number} path{'s' * (number > 1)}"
        raise InputError(
            "arguments",
            found=f"{paths}{' with ' * bool(named)}{', '.join(named)} and no --out",
            expected="IN_BAG and OUT_BAG, or any number of bags and --out DIR",
            do="Say where the outputs go: --out DIR",
            reason="bad_option",
        )


def _chosen(bag: Path, options: "ProcessOptions") -> "ProcessOptions":
    """Return options with rig and model; guess and say what is not named."""
    from effocc_ros.bags.guessing import guess_for
    from effocc_ros.loaded_model import load_model
    from effocc_ros.rig import load_rig

    if options.rig and options.model:
        return options
    rig = load_rig(options.rig) if options.rig else None
    model = load_model(options.model) if options.model else None
    found = guess_for(bag, rig, model.config.modality if model else "")
    print("\n".join(found.lines), flush=True)
    return replace(options, rig=found.rig, model=model or found.model)


def add_nuscenes2bag(subparsers: argparse._SubParsersAction) -> None:
    """Add `effocc nuscenes2bag ROOT OUT_BAG`."""
    parser = subparsers.add_parser(
        "nuscenes2bag",
        help="write a ROS 2 bag from nuScenes tables and files",
        description="Write one nuScenes scene as a rosbag2 (MCAP): JPEG images, CameraInfo, "
        "LiDAR, /tf at every ego pose, /tf_static.",
    )
    parser.add_argument(
        "root", type=Path, metavar="ROOT", help="folder of the data set, with samples/ and sweeps/"
    )
    parser.add_argument("out", type=Path, metavar="OUT_BAG", help="rosbag2 folder to write")
    parser.add_argument("--version", help="folder of tables; not needed where there is but one")
    parser.add_argument("--scene", help="name of the scene; the first that is whole when left out")
    parser.add_argument(
        "--keyframes", action="store_true", help="leave out the sweeps between keyframes"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT_BAG if it is a bag")
    parser.set_defaults(run=run_nuscenes2bag)


def run_nuscenes2bag(arguments: argparse.Namespace) -> None:
    """Run `effocc nuscenes2bag` and print the messages of each topic."""
    from effocc_ros.bags.nuscenes import nuscenes_to_bag
    from effocc_ros.datasets.nuscenes_tables import NuscenesTables, only_version

    version = arguments.version or only_version(arguments.root)
    scene = arguments.scene or NuscenesTables(arguments.root, version).whole_scene()
    counts = nuscenes_to_bag(
        arguments.root,
        arguments.out,
        version=version,
        scene=scene,
        sweeps=not arguments.keyframes,
        overwrite=arguments.overwrite,
        progress=True,
    )
    width = max(map(len, counts))
    for topic, count in counts.items():
        print(f"{topic:<{width}}  {count:6d}")
    if not arguments.scene:
        print(f"scene: {scene}")
    print(f"written: {arguments.out}")
