"""What the node tells /diagnostics about itself."""

import math
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from effocc_ros.nodes.to_message import header_message
from effocc_ros.nodes.worker import WorkerReport
from effocc_ros.stream import InputStatistics, StreamStatistics

OVERRUNS_TO_WARN = 3
OVERRUNS_TO_FAIL = 30
"""Frames in a row for which older triggers were thrown away."""

SILENT_SECONDS = 1.0
SILENT_PERIODS = 5.0
"""An input counts as silent when it is older than a second and than five of its periods."""


@dataclass(frozen=True)
class Snapshot:
    """Everything that the diagnostics are made of, at one moment.

    Attributes:
        statistics: Of the stream.
        worker: Of the worker.
        model: Name of the network, whether trained, device and so on, in words.
        memory: MiB by name.
        expected: Inputs that should come.
        now: Monotonic seconds.
        problems: Bad messages and failures since the last diagnostics, source and reason.
    """

    statistics: StreamStatistics
    worker: WorkerReport
    model: dict[str, str]
    memory: dict[str, float]
    expected: tuple[str, ...]
    now: float
    problems: tuple[str, ...] = ()


def diagnostics_message(snapshot: Snapshot, node: str, stamp: int) -> DiagnosticArray:
    """Write a snapshot as a DiagnosticArray of four statuses: frames, inputs, stages, device.

    Args:
        snapshot: What is to be told.
        node: Full name of the node; each status name begins with it.
        stamp: Nanoseconds since the epoch.
    """
    stages = {f"{name}_ms": f"{ms:.1f}" for name, ms in (snapshot.worker.stages or {}).items()}
    memory = {name: f"{mib:.0f}" for name, mib in snapshot.memory.items()}
    statuses = [
        _status(node, "frames", *_frames(snapshot)),
        _status(node, "inputs", *_inputs(snapshot)),
        _status(node, "stages", *_ok("median of the last frames", stages)),
        _status(node, "device", *_ok(snapshot.model.get("device", ""), memory)),
    ]
    return DiagnosticArray(header=header_message(stamp, ""), status=statuses)


def _status(node: str, part: str, level: bytes, text: str, values: dict) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=level,
        name=f"{node}: {part}",
        message=text,
        hardware_id="effocc_ros",
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )


def _ok(text: str, values: dict) -> tuple[bytes, str, dict]:
    return DiagnosticStatus.OK, text, values


def _frames(snapshot: Snapshot) -> tuple[bytes, str, dict]:
    worker, statistics = snapshot.worker, snapshot.statistics
    values = {
        **snapshot.model,
        "frames_in": statistics.frames_in,
        "frames_out": worker.frames_out,
        "handled_until": worker.handled_until,
        "consecutive_overruns": worker.consecutive_overruns,
        **{f"drop.{reason}": count for reason, count in sorted(statistics.drops.items())},
    }
    if worker.last_failure:
        return DiagnosticStatus.ERROR, worker.last_failure, values
    if worker.consecutive_overruns >= OVERRUNS_TO_FAIL:
        text = f"too slow: {worker.consecutive_overruns} frames in a row cost an older one"
        return DiagnosticStatus.ERROR, text, values
    if worker.consecutive_overruns >= OVERRUNS_TO_WARN:
        text = f"slow: {worker.consecutive_overruns} frames in a row cost an older one"
        return DiagnosticStatus.WARN, text, values
    if not worker.frames_out:
        return DiagnosticStatus.WARN, "no frame yet", values
    return DiagnosticStatus.OK, "frames go out", values


def _inputs(snapshot: Snapshot) -> tuple[bytes, str, dict]:
    values, silent = {}, []
    inputs = snapshot.statistics.inputs
    for name in dict.fromkeys((*snapshot.expected, *inputs)):
        known = inputs.get(name)
        values[f"{name}.count"] = known.count if known else 0
        age = math.inf
        if known and known.count:
            age = snapshot.now - known.last_arrival
            values[f"{name}.rate_hz"] = f"{known.rate:.2f}"
            values[f"{name}.age_s"] = f"{age:.3f}"
        if name in snapshot.expected and age > _patience(known):
            silent.append(name)
    rejected = snapshot.statistics.rejected
    values |= {f"rejected.{what}": count for what, count in sorted(rejected.items())}
    noted = snapshot.statistics.noted
    values |= {f"noted.{what}": count for what, count in sorted(noted.items())}
    if silent:
        all_of_them = len(silent) == len(snapshot.expected)
        level = DiagnosticStatus.ERROR if all_of_them else DiagnosticStatus.WARN
        return level, f"silent: {', '.join(silent)}", values
    if snapshot.problems:
        return DiagnosticStatus.WARN, "; ".join(snapshot.problems), values
    return DiagnosticStatus.OK, "all inputs come", values


def _patience(known: InputStatistics | None) -> float:
    rate = known.rate if known else 0.0
    return max(SILENT_SECONDS, SILENT_PERIODS / rate if rate else 0.0)
