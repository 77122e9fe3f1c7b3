# SPDX-License-Identifier: Apache-2.0
"""What `effocc process BAG... --out DIR` does."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from effocc_ros.bags.process import ProcessOptions
from effocc_ros.errors import InputError, shown
from effocc_ros.files import only_writer, remove_abandoned, unwritable
from effocc_ros.fleet import recipe as recipes
from effocc_ros.fleet.bag_report import (
    BagReport,
    appended,
    damage,
    read_reports,
    report_inside,
    table,
)
from effocc_ros.fleet.bag_worker import BagTask, BagWorkers
from effocc_ros.fleet.bags import Bag, find_bags
from effocc_ros.fleet.crew import Crew, hired
from effocc_ros.fleet.schedule import Outcome, work_through
from effocc_ros.fleet.shard import Shard
from effocc_ros.precisions import check_precision
from effocc_ros.presets import preset_names
from effocc_ros.progress import with_progress
from effocc_ros.rig import rig_names
from effocc_ros.voxel_grids import check_voxel_grids

LOCKS = ".locks"
"""Folder of the outputs in which a job says that it is at work."""


@dataclass(frozen=True)
class Plan:
    """What there is to do.

    Attributes:
        todo: Bags without an output.
        done: Reports of outputs that are there, made of just this.
    """

    todo: list[BagTask]
    done: list[BagReport]


def process_bags(
    arguments: Sequence[str], out: Path, options: ProcessOptions, crew: Crew, shard: Shard
) -> int:
    """Process many bags; print a summary.

    Each output appears at once, with its report in it, and is not made again by the same command.

    Args:
        arguments: Bags, folders that hold bags, globs.
        out: Folder of the outputs and of the report; jobs with other shards share it.
        options: How; ``rig`` and ``model`` are found from each bag where they are empty.
        crew: Who does it.
        shard: Which part of the bags, by the order of their names.

    Returns:
        Exit code: 1 where a bag failed, else 0.

    Raises:
        InputError: What was asked for cannot be done at all; then nothing was processed.
    """
    bags = shard.of(find_bags(arguments, out))
    options = replace(options, model=_anywhere(options.model), rig=_anywhere(options.rig))
    with only_writer(out / LOCKS / shard.name("report")):
        remove_abandoned(out)
        plan = plan_bags(bags, out, options)
        path = out / f"{shard.name('report')}.jsonl"
        _add_missing(path, out, plan.done)
        if plan.done:
            print(f"{len(plan.done)} of {len(bags)} bags are done already", flush=True)
        try:
            reports = _work(plan.todo, path, options, crew)
        finally:
            remove_abandoned(out)  # of workers that were killed or, at Ctrl-C, ended
    if reports:
        print(table(reports, len(plan.done)))
    print(f"report: {path}")
    if shard.count > 1:
        print(_all_shards(out))
    return 1 if any(report.error for report in reports) else 0


def _anywhere(name: str) -> str:
    """Return the absolute path of a file that is named: workers may be in other folders."""
    shipped = name in (*preset_names(), *rig_names())
    return str(Path(name).absolute()) if Path(name).is_file() and not shipped else name


def plan_bags(bags: Sequence[Bag], out: Path, options: ProcessOptions) -> Plan:
    """Tell the bags that are to do from those that are done.

    Raises:
        InputError: A rig, model or kind of voxel grid does not exist, or outputs are there that
            were made of something else and may not be replaced.
    """
    check_voxel_grids(options.also, "voxel grids to write")
    check_precision(options.precision)
    common = {
        "model": recipes.model_of(options.model),
        "rig": recipes.rig_of(options.rig),
        "interval": f"{options.interval_s:g} s",
        "precision": options.precision,
        "confidence": str(options.confidence),
        "copied inputs": str(options.copy_inputs),
        "voxel grids": ", ".join(sorted(options.also)),
        "effocc_ros": recipes.version(),
    }
    todo, done, others = [], [], []
    for bag in bags:
        recipe = {"input": recipes.input_of(bag.path), **common}
        target = out.absolute() / bag.name
        task = BagTask(bag.path.absolute(), target, recipe)
        found = report_inside(target)
        same = found is not None and found.recipe == recipe
        broken = damage(target) if same else ""
        if same and not broken:
            done.append(found)
            continue
        todo.append(task)
        if target.exists():
            others.append((target, found, broken))
    if others and not options.overwrite:
        raise _made_otherwise(others, todo)
    return Plan(todo, done)


def _made_otherwise(
    others: Sequence[tuple[Path, BagReport | None, str]], todo: Sequence[BagTask]
) -> InputError:
    target, found, broken = others[0]
    now = next(task.recipe for task in todo if task.target == target)
    what = recipes.differences(found.recipe, now) if found else "nothing says of what it was made"
    more = f", and {len(others) - 1} more that are not what was asked for" * (len(others) > 1)
    if broken:
        return InputError(
            f"output {shown(str(target))}",
            found=f"a bag that is no longer whole ({broken}){more}",
            expected="outputs of this very command, or names that are free",
            do="Remove it, and run the same command again",
            reason="damaged_output",
        )
    return InputError(
        f"output {target}",
        found=f"a bag that was made of something else ({what}){more}",
        expected="outputs of this very command, or names that are free",
        do="Choose another --out; or --overwrite makes these again, and only these",
        reason="made_otherwise",
    )


def _add_missing(path: Path, out: Path, done: Sequence[BagReport]) -> None:
    """Report what was finished by a job that was killed before it could say so."""
    known = read_reports(out)
    with appended(path) as file:
        for report in done:
            if report.out not in known or known[report.out].error:
                file.write(report.json() + "\n")


def _work(
    todo: Sequence[BagTask], path: Path, options: ProcessOptions, crew: Crew
) -> list[BagReport]:
    reports: list[BagReport] = []
    if not todo:
        return reports
    with (
        appended(path) as file,
        hired(crew, len(todo), lambda devices: BagWorkers(options, devices)) as workers,
    ):
        outcomes = work_through(todo, workers)
        for outcome in with_progress(outcomes, len(todo), unit="bag"):
            report = _report(outcome)
            try:
                file.write(report.json() + "\n")
            except OSError as error:
                raise unwritable(f"file {path}", error) from error
            # What the table needs of a thousand bags is little; their warnings are in the file.
            reports.append(replace(report, recipe={}, warnings=(), guessed=(), rejected={}))
            if report.error:
                print(f"failed: {shown(report.bag)}: {report.error}", file=sys.stderr, flush=True)
    return reports


def _report(outcome: Outcome) -> BagReport:
    if outcome.error:
        task: BagTask = outcome.task
        report = BagReport(str(task.source), str(task.target), outcome.worker, recipe=task.recipe)
        return replace(report, tries=outcome.tries, error=outcome.error, reason="worker_died")
    return replace(outcome.result, tries=outcome.tries)


def _all_shards(out: Path) -> str:
    reports = read_reports(out).values()
    failed = sum(bool(report.error) for report in reports)
    return f"all shards so far: {len(reports) - failed} bags done, {failed} failed"
