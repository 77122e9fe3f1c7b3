# SPDX-License-Identifier: Apache-2.0
"""The verbs that turn bags into bags: `effocc process` and `effocc nuscenes2bag`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from effocc_ros.loaded_model import LoadedModel
    from effocc_ros.rig import Rig


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the parsers of ``process`` and ``nuscenes2bag``."""
    add_process(subparsers)
    add_nuscenes2bag(subparsers)


def add_process(subparsers: argparse._SubParsersAction) -> None:
    """Add `effocc process IN_BAG OUT_BAG`."""
    parser = subparsers.add_parser(
        "process",
        help="turn a bag into a bag of occupancy, without ROS",
        description="Run a model over every keyframe of a bag and write what it saw as a bag. "
        "Rig and model are found from the bag, and said with the reason, unless they are named.",
    )
    parser.add_argument("bag", type=Path, metavar="IN_BAG", help="rosbag2 folder, .mcap or .db3")
    parser.add_argument("out", type=Path, metavar="OUT_BAG", help="rosbag2 folder to write")
    parser.add_argument(
        "--model", help="preset or checkpoint (the small one for the sensors that the bag has)"
    )
    parser.add_argument(
        "--rig", help="rig preset or file: the bag's topics (the one that fits, or a draft)"
    )
    parser.add_argument(
        "--interval",
        type=float,
        default=0.5,
        metavar="SECONDS",
        help="at least this long between two frames; 0: every sweep (%(default)s)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (%(default)s)")
    parser.add_argument(
        "--precision", default="float32", help="float32, on a GPU also bfloat16 or float16"
    )
    parser.add_argument(
        "--confidence", action="store_true", help="also write the probability of each voxel"
    )
    parser.add_argument(
        "--copy-inputs", action="store_true", help="also copy the sensors' messages to OUT_BAG"
    )
    parser.add_argument(
        "--also",
        default="",
        metavar="KINDS",
        help="also write voxel grids that other tools draw: foxglove, nav2, or foxglove,nav2",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT_BAG if it is a bag")
    parser.set_defaults(run=run_process)


def run_process(arguments: argparse.Namespace) -> None:
    """Run `effocc process` and print what went in, came out and was dropped."""
    from effocc_ros.bags.process import ProcessOptions, process_bag

    rig, model = _rig_and_model(arguments)
    options = ProcessOptions(
        model=model,
        rig=rig,
        interval_s=arguments.interval,
        device=arguments.device,
        precision=arguments.precision,
        confidence=arguments.confidence,
        copy_inputs=arguments.copy_inputs,
        also=tuple(filter(None, arguments.also.split(","))),
        overwrite=arguments.overwrite,
    )
    print(process_bag(arguments.bag, arguments.out, options, progress=True).table())


def _rig_and_model(arguments: argparse.Namespace) -> tuple["Rig | str", "LoadedModel | str"]:
    """Return the rig and the model that are named; guess and say what is not."""
    from effocc_ros.bags.reader import BagReader
    from effocc_ros.loaded_model import load_model
    from effocc_ros.rig import load_rig
    from effocc_ros.rig_check import bag_contents
    from effocc_ros.rig_guess import guess

    if arguments.rig and arguments.model:
        return arguments.rig, arguments.model
    rig = load_rig(arguments.rig) if arguments.rig else None
    model = load_model(arguments.model) if arguments.model else None
    with BagReader(arguments.bag) as bag:
        contents = bag_contents(bag)
    modality = model.config.modality if model else ""
    found = guess(contents, arguments.bag, rig=rig, modality=modality)
    print("\n".join(found.lines), flush=True)
    return found.rig, model or found.model


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
    parser.add_argument("--scene", help="name of the scene; the first when left out")
    parser.add_argument(
        "--keyframes", action="store_true", help="leave out the sweeps between keyframes"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT_BAG if it is a bag")
    parser.set_defaults(run=run_nuscenes2bag)


def run_nuscenes2bag(arguments: argparse.Namespace) -> None:
    """Run `effocc nuscenes2bag` and print the messages of each topic."""
    from effocc_ros.bags.nuscenes import nuscenes_to_bag
    from effocc_ros.datasets.nuscenes_tables import only_version

    version = arguments.version or only_version(arguments.root)
    counts = nuscenes_to_bag(
        arguments.root,
        arguments.out,
        version=version,
        scene=arguments.scene or _first_scene(arguments.root, version),
        sweeps=not arguments.keyframes,
        overwrite=arguments.overwrite,
        progress=True,
    )
    width = max(map(len, counts))
    for topic, count in counts.items():
        print(f"{topic:<{width}}  {count:6d}")
    print(f"written: {arguments.out}")


def _first_scene(root: Path, version: str) -> str:
    from effocc_ros.datasets.nuscenes_tables import NuscenesTables

    return next(iter(NuscenesTables(root, version).scene_names), "")
