# SPDX-License-Identifier: Apache-2.0
"""`effocc rig check`: which rig fits a bag."""

import argparse
from pathlib import Path


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb `rig`."""
    parser = subparsers.add_parser("rig", help="tell which rig fits a bag, or draft one")
    verbs = parser.add_subparsers(dest="rig_verb", metavar="VERB", required=True)
    check = verbs.add_parser(
        "check",
        help="tell which rig fits a bag",
        description="Tell which rig fits a bag and what is missing. Where none fits, write a rig "
        "file from the bag's topics and tf. Ends with 0 where a rig fits and 1 where none does.",
    )
    check.add_argument("bag", type=Path, metavar="BAG", help="rosbag2 folder, .mcap or .db3")
    check.add_argument("rig", nargs="?", help="rig preset or file; without it, all presets")
    check.add_argument(
        "--out", type=Path, default=Path("rig.yaml"), help="rig file to draft (%(default)s)"
    )
    check.set_defaults(run=run_check)


def run_check(arguments: argparse.Namespace) -> int:
    """Print which rig fits; draft one where none does and no rig was named."""
    from effocc_ros.bags.reader import BagReader
    from effocc_ros.rig import load_rig, rig_names
    from effocc_ros.rig_check import bag_contents, best_rig

    names = [arguments.rig] if arguments.rig else rig_names()
    rigs = [load_rig(name) for name in names]
    with BagReader(arguments.bag) as bag:
        contents = bag_contents(bag)
    rig, found = best_rig(rigs, contents)
    if not found:
        sensors = f"{len(rig.cameras)} cameras, {'LiDAR' if rig.points else 'no LiDAR'}"
        print(f"rig {rig.name} fits: {sensors}, {rig.fixed_frame or 'no fixed frame'}")
        return 0
    nearest = "" if arguments.rig else ", the nearest one,"
    print(f"rig {rig.name}{nearest} does not fit:")
    print("\n".join(f"  {problem}" for problem in found))
    if not arguments.rig:
        _draft(contents, arguments.bag, arguments.out)
    return 1


def _draft(contents: object, bag: Path, out: Path) -> None:
    from effocc_ros.errors import InputError
    from effocc_ros.rig_draft import draft_rig

    text = draft_rig(contents, bag.name)
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
    print(f"wrote {out}: look through it, then rig:={out}")
