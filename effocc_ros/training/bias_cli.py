# SPDX-License-Identifier: Apache-2.0
"""The verb `effocc fit-bias`."""

import argparse
from dataclasses import fields
from pathlib import Path

DATASETS = ("occ3d_nuscenes", "openoccupancy", "openocc_flow", "occ3d_waymo")


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the parser of ``fit-bias``."""
    parser = subparsers.add_parser(
        "fit-bias",
        help="fit a bias for each class to labelled samples, for a higher mean IoU",
        description="Search the bias of each class with which a trained network has the highest "
        "mean IoU on a split, and write a checkpoint that has them. Nothing is trained. Samples "
        "that the network did not learn from serve best.",
    )
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    parser.add_argument("--model", required=True, help="checkpoint, or preset that ships weights")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--dataset", choices=DATASETS, default=DATASETS[0], help="(%(default)s)")
    parser.add_argument("--split", default="train", help="(%(default)s)")
    parser.add_argument("--version", default="", help="folder of nuScenes tables; the split's")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="only N samples, evenly spaced over the split"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the voxels (%(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (%(default)s)")
    parser.set_defaults(run=run_fit_bias)


def run_fit_bias(arguments: argparse.Namespace) -> None:
    """Run `effocc fit-bias`."""
    from effocc_ros.errors import InputError
    from effocc_ros.training.bias_fitting import Fit, fit_bias
    from effocc_ros.training.validation import scores_of

    if arguments.limit is not None and arguments.limit < 1:
        raise InputError("--limit", found=str(arguments.limit), expected="1 or more")
    found = fit_bias(Fit(**{each.name: getattr(arguments, each.name) for each in fields(Fit)}))
    names = found.before.classes.names
    width = max(map(len, names))
    for name, bias in zip(names, found.bias.tolist(), strict=True):
        print(f"{name:{width}}  {bias:+.2f}")
    print(f"without: {scores_of(found.before)}")
    print(f"with:    {scores_of(found.after)}, on the samples that they were fitted to")
    print(f"written: {arguments.out}")
