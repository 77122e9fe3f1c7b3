# SPDX-License-Identifier: Apache-2.0
"""What became of each bag, as lines of JSON and as a table."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TextIO

from effocc_ros.bags.folder import bag_files
from effocc_ros.bags.storage_files import identify
from effocc_ros.errors import InputError, shown
from effocc_ros.files import unwritable
from effocc_ros.fleet.recipe import Recipe

INSIDE = "report.json"
"""In the folder of each output: its report, which appeared together with the bag."""

MOST_ROWS = 20
"""Bags, and then failures, that a summary lists one by one."""


@dataclass(frozen=True)
class BagReport:
    """What became of a bag.

    Attributes:
        bag: Its path.
        out: Path of its output.
        worker: Host and process that had it last.
        tries: How many workers have had it.
        seconds: How long the last one took.
        frames_in: Moments that were to become frames.
        frames_out: Occupancy grids written.
        drops: Frames that came to nothing, by reason.
        rejected: Messages that could not be used, by ``source.reason``.
        rig: The rig that was used.
        model: The network that was used.
        trained: False when its weights are random.
        guessed: What was found from the bag, each with its reason.
        warnings: What was logged about it.
        error: Why there is no output; empty where there is.
        reason: The same as a short name.
        recipe: What the output is made of.
    """

    bag: str
    out: str
    worker: str = ""
    tries: int = 1
    seconds: float = 0.0
    frames_in: int = 0
    frames_out: int = 0
    drops: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    rig: str = ""
    model: str = ""
    trained: bool = True
    guessed: Sequence[str] = ()
    warnings: Sequence[str] = ()
    error: str = ""
    reason: str = ""
    recipe: Recipe = field(default_factory=dict)

    def json(self) -> str:
        """Return it as a line."""
        # In ASCII: names of files need not be text, and some text ends lines.
        return json.dumps(asdict(self))


def report_inside(output: Path) -> BagReport | None:
    """Return the report of a finished output; None where it has none that can be read."""
    try:
        return _from_json((output / INSIDE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def damage(output: Path) -> str:
    """Return what keeps the bag of an output from being whole; empty where nothing does.

    Its files are not read, but looked at: whether they are there, and have an end.
    """
    try:
        files = bag_files(output)
        if files.unfinished:
            return "no whole metadata.yaml"
        for file in files.paths:
            identify(file)
    except (InputError, OSError) as error:
        return getattr(error, "found", "") or str(error)
    return ""


def read_reports(folder: Path) -> dict[str, BagReport]:
    """Return the last report of each bag, of all shards that wrote into a folder.

    A line that a killed process left half written is passed over.
    """
    found: dict[str, BagReport] = {}
    for path in sorted(folder.glob("report*.jsonl")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                report = _from_json(line)
            except ValueError:
                continue
            before = found.get(report.out)
            # A bag that one job failed on and another finished is finished.
            if before is None or before.error or not report.error:
                found[report.out] = report
    return found


@contextmanager
def appended(path: Path) -> Iterator[TextIO]:
    """Open a report to append lines to it, after whatever a killed process left."""
    try:
        with open(path, "a+b") as file:
            if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
                file.write(b"\n")
        text = open(path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 (closed below)
    except OSError as error:
        raise unwritable(f"file {path}", error) from error
    with text:
        yield text


def _from_json(text: str) -> BagReport:
    values: Any = json.loads(text)
    if not isinstance(values, dict) or not {"bag", "out"} <= values.keys():
        raise ValueError("no report")
    known = {each.name: each for each in fields(BagReport)}
    values = {name: value for name, value in values.items() if name in known}
    for name, value in values.items():
        if not isinstance(value, _json_types(known[name])):
            raise ValueError(f"no report: {name} is {value!r}")
    return BagReport(**values)


def _json_types(each: Field) -> tuple[type, ...]:
    """Return the types that a field may have in JSON."""
    default = {} if each.default_factory is dict else each.default
    if each.default is MISSING and default != {}:
        return (str,)
    kinds = {tuple: (list,), float: (int, float)}
    return kinds.get(type(default), (type(default),))


def table(reports: Sequence[BagReport], before: int) -> str:
    """Lay the numbers of a run out as text.

    Args:
        reports: Of the bags that were processed in it.
        before: How many more were finished already.
    """
    failed = [report for report in reports if report.error]
    done = [report for report in reports if not report.error]
    lines = list(_rows(reports)) if len(reports) <= MOST_ROWS else []
    drops = sum((Counter(report.drops) for report in done), Counter())
    lines += [f"dropped: {reason}  {count}" for reason, count in sorted(drops.items())]
    lines += _models(done)
    lines += [f"failed: {shown(report.bag)}: {report.error}" for report in failed[:MOST_ROWS]]
    if len(failed) > MOST_ROWS:
        lines.append(f"failed: {len(failed) - MOST_ROWS} more, all in the report")
    parts = [f"{len(done)} of {len(reports)} bags done", f"{len(failed)} failed"]
    parts += [f"{before} done before"] * bool(before)
    parts.append(f"{sum(r.frames_in for r in done)} frames in")
    parts.append(f"{sum(r.frames_out for r in done)} out")
    return "\n".join([*lines, ", ".join(parts)])


def _rows(reports: Iterable[BagReport]) -> Iterator[str]:
    reports = sorted(reports, key=lambda report: report.out)
    names = [shown(Path(report.out).name) for report in reports]
    width = max(map(len, names), default=0)
    if reports:
        yield f"{'bag':<{width}}  frames in    out  dropped  seconds  worker"
    for name, r in zip(names, reports, strict=True):
        dropped = sum(r.drops.values())
        numbers = f"{r.frames_in:9d} {r.frames_out:6d} {dropped:8d} {r.seconds:8.1f}"
        yield f"{name:<{width}}  {numbers}  {r.worker}{'  failed' * bool(r.error)}"


def _models(done: Iterable[BagReport]) -> list[str]:
    counts = Counter((r.model, r.trained, r.rig) for r in done)
    return [
        f"model {model}{'' if trained else ' (untrained: labels mean nothing)'}, rig {rig}: "
        f"{count} bag{'s' * (count > 1)}"
        for (model, trained, rig), count in sorted(counts.items())
    ]
