# SPDX-License-Identifier: Apache-2.0
"""The verb `effocc select`."""

import argparse
from dataclasses import fields
from pathlib import Path

DATASETS = ("occ3d_nuscenes", "openoccupancy", "openocc_flow")


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the parser of ``select``."""
    parser = subparsers.add_parser(
        "select",
        help="choose the frames, scenes or voxels whose labels are worth most",
        description="Choose what to label next, by the entropy of a trained network or by lot, "
        "and write it as JSON for `effocc train CONFIG budget=FILE`.",
    )
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    parser.add_argument("--model", default="", help="checkpoint that is asked; not with random")
    parser.add_argument("--kind", choices=("frames", "scenes", "voxels"), default="frames")
    parser.add_argument("--by", choices=("entropy", "random"), default="entropy")
    parser.add_argument(
        "--budget",
        required=True,
        metavar="N|P%",
        help="how many more frames or scenes, or how many voxels of each frame; or a share",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json")
    parser.add_argument(
        "--previous", type=Path, metavar="FILE.json", help="an earlier choice, which is added to"
    )
    parser.add_argument(
        "--highest",
        action="store_true",
        help="voxels: the highest entropies of a frame, not the same number of each class",
    )
    parser.add_argument("--dataset", choices=DATASETS, default=DATASETS[0], help="(%(default)s)")
    parser.add_argument("--split", default="train", help="(%(default)s)")
    parser.add_argument("--version", default="", help="folder of nuScenes tables; the split's")
    parser.add_argument("--seed", type=int, default=0, help="of random choices (%(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (%(default)s)")
    parser.set_defaults(run=run_select)


def run_select(arguments: argparse.Namespace) -> None:
    """Run `effocc select`."""
    from effocc_ros.datasets.budgets import write_budget
    from effocc_ros.training.selecting import Request, select
    from effocc_ros.training.selection import Amount

    amount = Amount.parse(arguments.budget)
    options = {field.name: getattr(arguments, field.name, None) for field in fields(Request)}
    budget = select(Request(**options | {"amount": amount}))
    write_budget(arguments.out, budget)
    count = len(getattr(budget, budget.kind))
    if budget.kind == "voxels":
        voxels = sum(len(places) for places in budget.voxels.values())
        print(f"written: {arguments.out}, {voxels:,} voxels of {count:,} frames")
    else:
        print(f"written: {arguments.out}, {count:,} {budget.kind}")
