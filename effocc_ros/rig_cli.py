# SPDX-License-Identifier: Apache-2.0
"""`effocc rig check`: which rig fits a bag."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from effocc_ros.rig import Rig
    from effocc_ros.rig_check import BagContents


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb `rig`."""
    parser = subparsers.add_parser("rig", help="tell which rig fits a bag, or draft one")
    verbs = parser.add_subparsers(dest="rig_verb", metavar="VERB", required=True)
    check = verbs.add_parser(
        "check",
        help="tell which rig fits a bag",
        description="Tell which rig fits a bag, as `effocc process` decides, and what is missing. "
        "Where none fits, write a rig file from the bag's topics and tf. Ends with 0 where a rig "
        "fits and 1 where none does.",
    )
    check.add_argument("bag", type=Path, metavar="BAG", help="rosbag2 folder, .mcap or .db3")
    check.add_argument("rig", nargs="?", help="rig preset or file; without it, all presets")
    check.add_argument(
        "--out", type=Path, default=Path("rig.yaml"), help="rig file to draft (%(default)s)"
    )
    check.set_defaults(run=run_check)


def run_check(arguments: argparse.Namespace) -> int:
    """Print which rig fits, as `effocc process` decides; draft one where none does."""
    from effocc_ros.bags.reader import BagReader
    from effocc_ros.errors import InputError
    from effocc_ros.rig import load_rig, rig_names
    from effocc_ros.rig_check import bag_contents, best_rig
    from effocc_ros.rig_guess import DRAFTED, guess

    with BagReader(arguments.bag) as bag:
        contents = bag_contents(bag)
    if arguments.rig:
        rig, found = best_rig([load_rig(arguments.rig)], contents)
        return _fits(rig, contents) if not found else _does_not_fit(rig, found)
    unsure = None
    try:
        rig = guess(contents, arguments.bag).rig
    except InputError as error:
        unsure = error
    if unsure is None and rig.name != DRAFTED:
        return _fits(rig, contents)
    _no_preset(arguments.bag, best_rig([load_rig(n) for n in rig_names()], contents), contents)
    _draft(contents, arguments.bag, arguments.out)
    if unsure is None:
        print("effocc process drafts the same by itself")
    else:
        print(f"effocc process wants it named, for it is not sure: {unsure}")
    return 1


def _fits(rig: "Rig", contents: "BagContents") -> int:
    from effocc_ros.rig_check import problems
    from effocc_ros.rig_guess import present

    there = present(rig, contents)
    sensors = f"{len(there.cameras)} cameras, {'LiDAR' if there.points else 'no LiDAR'}"
    print(f"rig {rig.name} fits: {sensors}, {rig.fixed_frame or 'no fixed frame'}")
    for problem in problems(rig, contents):
        print(f"  going on without {problem}")
    return 0


def _no_preset(bag: Path, nearest: tuple["Rig", list[str]], contents: "BagContents") -> None:
    """Say how the nearest preset differs, if the bag has any of its sensors."""
    from effocc_ros.rig_guess import foreign_sensors, present

    rig, found = nearest
    there = present(rig, contents)
    if not there.topics:
        print("no preset fits: the bag has the sensors of none")
        for each in foreign_sensors(contents, there, bag=str(bag)):
            print(f"  {each}")
    elif found:
        _does_not_fit(rig, found, ", the nearest one,")


def _does_not_fit(rig: "Rig", found: list[str], nearest: str = "") -> int:
    print(f"rig {rig.name}{nearest} does not fit:")
    print("\n".join(f"  {problem}" for problem in found))
    return 1


def _draft(contents: "BagContents", bag: Path, out: Path) -> None:
    from effocc_ros.errors import InputError
    from effocc_ros.rig_draft import draft_rig

    text = draft_rig(contents, str(bag))
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise InputError(
            f"rig file {out}",
            found="a file of that name",
            expected="a name that is free",
            do="Name another one with --out",
            reason="file_exists",
        ) from error
    print(f"wrote {out}: look through it, then --rig {out}, or rig:={out} for the launch files")
