# SPDX-License-Identifier: Apache-2.0
"""The verb `effocc view`."""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from effocc_ros.fleet.options import seconds
from effocc_ros.simulation.cli import whole_number

if TYPE_CHECKING:
    from effocc_ros.visualization.scene import Moment


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the parser of ``view``."""
    parser = subparsers.add_parser(
        "view",
        help="look at bags, occupancy and data sets",
        description="Show images with voxels over them, LiDAR, poses, voxels in 3D, and the truth "
        "beside them where it is known. Opens Rerun's viewer, unless told otherwise.",
    )
    parser.add_argument(
        "path",
        type=Path,
        metavar="PATH",
        help="a bag of sensors or of occupancy, the folder of `effocc demo`, or that of a "
        "data set, of nuScenes or Occ3D-Waymo",
    )
    _add_sinks(parser)
    _add_choice(parser)
    parser.set_defaults(run=_view)


def _add_sinks(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where it is shown")
    sinks = group.add_mutually_exclusive_group()
    sinks.add_argument("--save", type=Path, metavar="FILE.rrd", help="write a file for Rerun")
    sinks.add_argument("--web", action="store_true", help="serve Rerun's viewer to browsers")
    sinks.add_argument("--png", type=Path, metavar="DIR", help="write a picture of each moment")
    sinks.add_argument("--mp4", type=Path, metavar="FILE.mp4", help="write a video")
    sinks.add_argument(
        "--animation",
        type=Path,
        metavar="FILE",
        help="write a small .webp, .gif or .png that moves",
    )
    sinks.add_argument("--window", action="store_true", help="open the first moment with Open3D")
    group.add_argument(
        "--port", type=_port, default=9090, help="of --web; data are on the next (%(default)s)"
    )


def _add_choice(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is shown")
    group.add_argument("--rig", default="", help="rig preset or file of a bag (the one that fits)")
    group.add_argument(
        "--model",
        default="",
        help="preset or checkpoint (the small one for the sensors there are)",
    )
    group.add_argument("--scene", default="", help="of a data set (the first)")
    group.add_argument(
        "--interval",
        type=seconds,
        default=0.5,
        metavar="SECONDS",
        help="at least this long between two moments of a bag that a model runs on (%(default)s)",
    )
    group.add_argument(
        "--skip", type=whole_number(0), default=0, help="leave out moments at the beginning"
    )
    group.add_argument("--limit", type=whole_number(1), help="show no more moments than these")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (%(default)s)")


def _port(text: str) -> int:
    number = whole_number(1)(text)
    if number > 65534:
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 1 to 65534")
    return number


def _view(arguments: argparse.Namespace) -> None:
    from effocc_ros.visualization import animation, rerun_sinks, video, window

    moments = _moments(arguments)
    if arguments.window:
        window.show_window(next(moments))
        return
    if arguments.web:
        rerun_sinks.serve(moments, arguments.port, _say)
        return
    if arguments.save:
        count, where = rerun_sinks.save(moments, arguments.save), arguments.save
    elif arguments.png:
        count, where = video.write_pictures(moments, arguments.png), arguments.png
    elif arguments.mp4:
        count, where = video.write_video(moments, arguments.mp4), arguments.mp4
    elif arguments.animation:
        count = animation.write_animation(moments, arguments.animation)
        where = arguments.animation
    else:
        count, where = rerun_sinks.spawn(moments), "the viewer"
    _say(f"{count} moment{'s' * (count > 1)} in {where}")


def _moments(arguments: argparse.Namespace) -> Iterator["Moment"]:
    from effocc_ros.progress import with_progress
    from effocc_ros.visualization.bag_moments import Choice
    from effocc_ros.visualization.sources import open_moments

    choice = Choice(
        model=arguments.model,
        rig=arguments.rig,
        interval_s=arguments.interval,
        device=arguments.device,
        scene=arguments.scene,
        say=_say,
    )
    moments = open_moments(arguments.path, choice)
    stop = None if arguments.limit is None else arguments.skip + arguments.limit
    chosen = islice(moments, arguments.skip, stop)
    return _at_least_one(with_progress(chosen, arguments.limit, unit="moment"), arguments)


def _at_least_one(
    moments: Iterator["Moment"], arguments: argparse.Namespace
) -> Iterator["Moment"]:
    none = True
    for moment in moments:
        none = False
        yield moment
    if none:
        raise _nothing(arguments)


def _nothing(arguments: argparse.Namespace) -> Exception:
    from effocc_ros.errors import InputError

    return InputError(
        f"moments of {arguments.path}",
        found=f"none after the first {arguments.skip}" if arguments.skip else "none",
        expected="at least one",
        do="Skip fewer" if arguments.skip else "",
        reason="no_moments",
    )


def _say(line: str) -> None:
    print(line, flush=True)
