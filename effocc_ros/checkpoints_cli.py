# SPDX-License-Identifier: Apache-2.0
"""`effocc checkpoint`: convert official files, show model cards."""

import argparse
import json
import sys

from effocc_ros.checkpoints import load_checkpoint
from effocc_ros.official_checkpoints import MisfitError, convert_file
from effocc_ros.presets import preset_names


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the verb `checkpoint`."""
    parser = subparsers.add_parser(
        "checkpoint",
        help="convert official EFFOcc files, show model cards",
        description="Convert official EFFOcc files, show model cards.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    convert = actions.add_parser(
        "convert",
        help="official .pth in, .safetensors with a model card out",
        description="Convert an mmdet3d-style checkpoint. No code inside the file is run.",
    )
    convert.add_argument("source", help="official file, for example epoch_42_ema.pth")
    convert.add_argument("target", help="file to write, for example fusion_r18.safetensors")
    convert.add_argument(
        "--preset",
        metavar="NAME",
        help=f"one of {', '.join(preset_names())}; found from keys and shapes when not given",
    )
    convert.add_argument(
        "--weights",
        default="",
        metavar="NAME",
        help="entry of the file to take, for example state_dict; averaged weights "
        "(state_dict_ema) go first when not given",
    )
    convert.add_argument("--origin", default="", help="for the card: where the file comes from")
    convert.add_argument(
        "--training-data", default="", help="for the card; the preset's benchmark by default"
    )
    convert.add_argument("--licence", default="", help="for the card: terms of the weights")
    convert.set_defaults(run=run_convert)
    show = actions.add_parser("show", help="print the model card of a checkpoint")
    show.add_argument("checkpoint", help="a .safetensors file")
    show.set_defaults(run=run_show)


def run_convert(arguments: argparse.Namespace) -> None:
    """Convert a file and print what became of its entries, or every entry that does not fit."""
    try:
        conversion = convert_file(
            arguments.source,
            arguments.target,
            arguments.preset,
            weights=arguments.weights,
            origin=arguments.origin,
            training_data=arguments.training_data,
            licence=arguments.licence,
        )
    except MisfitError as error:
        print(error.account, file=sys.stderr)
        raise
    print(conversion.report())
    print(f"written     {arguments.target}")


def run_show(arguments: argparse.Namespace) -> None:
    """Print the card of a checkpoint that fits its preset."""
    _, _, card = load_checkpoint(arguments.checkpoint)
    print(json.dumps(card, indent=1))
