# SPDX-License-Identifier: Apache-2.0
"""`effocc <verb>`: one table of verbs, each loaded only when it is asked for."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from effocc_ros import __version__
from effocc_ros.errors import InputError
from effocc_ros.memory import keep_freed_memory


@dataclass(frozen=True)
class Verb:
    """One verb and who owns it.

    Attributes:
        module: The module whose ``register(subparsers)`` adds the verb's parser and calls
            ``parser.set_defaults(run=function)``; ``function(arguments)`` does the work and
            returns an exit code or None for 0.
        help: One line for ``effocc --help``, which loads no module.
    """

    module: str
    help: str


VERBS = {
    "models": Verb("effocc_ros.presets_cli", "list the model presets and their parameter counts"),
    "checkpoint": Verb(
        "effocc_ros.checkpoints_cli", "convert official EFFOcc files, show model cards"
    ),
    "export": Verb("effocc_ros.export.cli", "write the dense halves of a model as ONNX, checked"),
    "process": Verb("effocc_ros.bags.cli", "turn a bag into a bag of occupancy, without ROS"),
    "nuscenes2bag": Verb(
        "effocc_ros.bags.cli", "write a ROS 2 bag from nuScenes tables and files"
    ),
    "view": Verb("effocc_ros.visualization.view_cli", "look at bags, occupancy and data sets"),
    "rig": Verb("effocc_ros.rig_cli", "tell which rig fits a bag, or draft one"),
    "dataset": Verb("effocc_ros.datasets.cli", "tell what of a benchmark's data set is there"),
    "evaluate": Verb("effocc_ros.evaluation.cli", "score a model on a split of a benchmark"),
    "train": Verb("effocc_ros.training.cli", "train a network, or go on with a training"),
    "select": Verb("effocc_ros.training.selection_cli", "choose the labels that are worth most"),
    "fit-bias": Verb("effocc_ros.training.bias_cli", "fit a bias for each class to labels"),
    "experiment": Verb("effocc_ros.training.experiment_cli", "repeat what the paper claims"),
    "simulate": Verb("effocc_ros.simulation.cli", "drive a simulated street and write its bag"),
    "demo": Verb("effocc_ros.demo", "simulate a street and run the real node on it over DDS"),
}


def build_parser(verb: str | None) -> argparse.ArgumentParser:
    """Return the parser: complete for ``verb``, names and help lines only for the others."""
    parser = argparse.ArgumentParser(
        prog="effocc", description="Camera-LiDAR semantic occupancy for ROS 2."
    )
    parser.add_argument("--version", action="version", version=f"effocc_ros {__version__}")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    if verb is None:
        for name, entry in VERBS.items():
            subparsers.add_parser(name, help=entry.help)
    else:
        importlib.import_module(VERBS[verb].module).register(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``effocc``.

    Args:
        argv: Arguments after the program's name; those of the process when None.

    Returns:
        The exit code: 0 done, 2 bad input, a file that cannot be read or written or a package that
        is not installed (said in one line on stderr), 130 interrupted, 141 nobody reads stdout any
        more.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    verb = argv[0] if argv and argv[0] in VERBS else None
    try:
        arguments = build_parser(verb).parse_args(argv)
        code = arguments.run(arguments) or 0
        sys.stdout.flush()
        return code
    except InputError as error:
        print(f"effocc {verb}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "effocc_ros"):
            raise
        print(f"effocc {verb}: needs {package}: python -m pip install {package}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # As `| head` does. Python flushes stdout once more at its end and must not complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except OSError as error:
        print(f"effocc {verb}: {_said(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"effocc {verb}: interrupted", file=sys.stderr)
        return 130


def program() -> int:
    """Run ``effocc`` as a process of its own; return the exit code."""
    keep_freed_memory()
    return main()


def _said(error: OSError) -> str:
    """Return one line: the files, where the system names them, and what is wrong with them."""
    files = [
        os.fsdecode(f) for f in (error.filename, error.filename2) if isinstance(f, str | bytes)
    ]
    reason = error.strerror or str(error) or type(error).__name__
    return " ".join(": ".join([*files, reason]).split())


if __name__ == "__main__":
    sys.exit(program())
