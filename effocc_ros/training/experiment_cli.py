# SPDX-License-Identifier: Apache-2.0
"""The verb `effocc experiment`."""

import argparse
import math
import shlex
import sys
from pathlib import Path

from effocc_ros.simulation.cli import whole_number


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the parser of ``experiment``."""
    parser = subparsers.add_parser("experiment", help="repeat what the paper claims")
    experiments = parser.add_subparsers(dest="experiment", metavar="NAME", required=True)
    entry = experiments.add_parser(
        "label-efficiency",
        help="what a teacher saves in labels",
        description="Train fusion teachers, and students with all labels (A), 40 % (B), "
        "40 % and a teacher (C), 10 % and a teacher (D), and write the comparison as JSON, "
        "Markdown and a plot. The same command goes on where it was stopped; started several "
        "times at once it trains several networks at a time.",
    )
    entry.add_argument("values", nargs="*", metavar="key=value", help="fields of all trainings")
    entry.add_argument("--out", type=Path, required=True, metavar="DIR")
    entry.add_argument(
        "--root", type=Path, default=Path("street"), help="folder of the data set (%(default)s)"
    )
    entry.add_argument(
        "--budget-hours",
        type=_hours,
        default=8.0,
        metavar="H",
        help="of all together, at the speed measured at the start (%(default)s)",
    )
    entry.add_argument(
        "--steps",
        type=whole_number(1),
        help="of each student, in place of a time budget; teachers take twice as many, a start "
        "three times",
    )
    entry.add_argument("--seeds", type=whole_number(1), default=3, help="(%(default)s)")
    entry.add_argument(
        "--teacher-seeds", type=whole_number(1), default=1, help="teachers of each kind (1)"
    )
    entry.add_argument(
        "--arms", nargs="+", default=[], metavar="NAME", help="some of A B C D T10 T40 T100"
    )
    entry.add_argument(
        "--stages", action="store_true", help="also tell what each distillation stage is worth"
    )
    entry.add_argument(
        "--start",
        default="",
        metavar="CONFIG",
        help="training config of a network that sees no labels; all students start from it",
    )
    entry.add_argument(
        "--student", default="vision_tiny_student", help="training config (%(default)s)"
    )
    entry.add_argument("--teacher", default="fusion_tiny", help="training config (%(default)s)")
    entry.add_argument(
        "--taught",
        nargs="+",
        default=["pseudo_labels=true"],
        metavar="key=value",
        help="fields of the trainings with a teacher (pseudo_labels=true)",
    )
    entry.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (%(default)s)")
    entry.set_defaults(run=run_label_efficiency)


def _hours(text: str) -> float:
    hours = float(text)
    if not 0.0 < hours < math.inf:
        raise argparse.ArgumentTypeError(f"found {text}; expected a number of hours above 0")
    return hours


def run_label_efficiency(arguments: argparse.Namespace) -> int:
    """Run `effocc experiment label-efficiency`."""
    from effocc_ros.training.experiment import run_experiment
    from effocc_ros.training.experiment_plan import Plan, choose_arms
    from effocc_ros.training.experiment_report import said_verdict
    from effocc_ros.training.experiment_settings import Settings
    from effocc_ros.training.trainer import train

    arms = choose_arms(arguments.arms, stages=arguments.stages)
    settings = Settings(
        out=arguments.out,
        root=arguments.root,
        plan=Plan(arms, arguments.seeds, arguments.teacher_seeds, bool(arguments.start)),
        start=arguments.start,
        teacher=arguments.teacher,
        student=arguments.student,
        values=tuple(arguments.values),
        taught=tuple(arguments.taught),
        steps=arguments.steps or 0,
        hours=arguments.budget_hours,
        device=arguments.device,
        command=shlex.join(["effocc", *sys.argv[1:]]),
    )
    code = run_experiment(settings, train)
    if code:
        print(f"stopped; the same command goes on: {arguments.out}", file=sys.stderr)
    else:
        print(f"written: {arguments.out}/label_efficiency.md; {said_verdict(settings)}")
    return code
