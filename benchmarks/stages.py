# SPDX-License-Identifier: Apache-2.0
"""Stages that share a time: each is a few commands, and one that fails does not stop the others.

What `gpu_session.py` is made of; run alone it does nothing.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

RESERVE = 0.75
"""Minutes at the end that no stage gets: a process that is told to end may take that long."""
GRACE = 30.0
"""Seconds that a process has to save what it did."""
KEPT_LINES = 40


@dataclass(frozen=True)
class Stage:
    """A part of the session.

    Attributes:
        name: Its name.
        share: Of the time, compared with the other stages.
        commands: Gives its commands for a number of minutes, each when the one before is done.
    """

    name: str
    share: float
    commands: Callable[[float], Iterator[list[str]]]


def minutes_of_first(minutes: float, shares: Sequence[float]) -> float:
    """Return what the first of some stages gets of the minutes that are left for all of them."""
    return max(minutes - RESERVE, 0.0) * shares[0] / sum(shares)


def plan(minutes: float, stages: Sequence[Stage]) -> dict[str, float]:
    """Return the minutes of each stage, if all of them take as long as they may."""
    found = {}
    for number, stage in enumerate(stages):
        shares = [other.share for other in stages[number:]]
        found[stage.name] = minutes_of_first(minutes, shares)
        minutes -= found[stage.name]
    return found


def run_stages(
    stages: Sequence[Stage], minutes: float, out: Path, about: dict[str, Any]
) -> dict[str, Any]:
    """Run stages, and keep session.json up to date.

    Args:
        stages: Those that are wanted, in order; finished ones are left out.
        minutes: For all of them.
        out: Folder of the results.
        about: What session.json shall say of this call.

    Returns:
        What session.json holds of them: name -> ``state`` (finished, stopped, failed),
        ``seconds``, and the last lines of its output.
    """
    end = time.monotonic() + 60.0 * minutes
    file = out / "session.json"
    (out / "logs").mkdir(parents=True, exist_ok=True)
    session = json.loads(file.read_text()) if file.is_file() else {}
    session.setdefault("calls", []).append(about | {"minutes": minutes})
    results = session.setdefault("stages", {})
    todo = [s for s in stages if results.get(s.name, {}).get("state") != "finished"]
    for number, stage in enumerate(todo):
        left = (end - time.monotonic()) / 60.0
        allotted = minutes_of_first(left, [other.share for other in todo[number:]])
        print(f"{stage.name}: {allotted:.1f} of {left:.1f} minutes", flush=True)
        results[stage.name] = run_stage(stage, allotted, out / "logs" / f"{stage.name}.txt")
        print(f"{stage.name}: {results[stage.name]['state']}", flush=True)
        partial_file = file.with_suffix(".part")
        partial_file.write_text(json.dumps(session, indent=1) + "\n")
        partial_file.replace(file)
    return results


def run_stage(stage: Stage, minutes: float, log: Path) -> dict[str, Any]:
    """Run one stage; what it prints goes to a file."""
    started = time.monotonic()
    code, state = 0, "finished"
    with open(log, "a", encoding="utf-8") as file:
        try:
            for command in stage.commands(minutes):
                seconds = 60.0 * minutes - (time.monotonic() - started)
                code, in_time = run_for(command, seconds, file)
                if code or not in_time:
                    state = "failed" if in_time else "stopped"
                    break
        except OSError as error:
            print(error, file=file)
            state = "failed"
    seconds = time.monotonic() - started
    return {"state": state, "code": code, "seconds": round(seconds, 1), "output": _end_of(log)}


def _end_of(log: Path) -> list[str]:
    """Return the last lines; of a progress bar, what it showed last."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().split("\n")
    return [line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines[-KEPT_LINES:]]


def run_for(command: list[str], seconds: float, log: TextIO) -> tuple[int, bool]:
    """Run a command; when its time is over, ask it to end, and end it if it does not.

    Returns:
        Its exit code, and whether it ended by itself.
    """
    print("$", *command, file=log, flush=True)
    process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        return process.wait(max(seconds, 0.0)), True
    except subprocess.TimeoutExpired:
        process.terminate()
    try:
        return process.wait(GRACE), False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait(), False
