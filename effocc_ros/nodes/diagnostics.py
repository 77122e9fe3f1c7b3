# SPDX-License-Identifier: Apache-2.0
"""What the node tells /diagnostics about itself."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from effocc_ros.nodes.pipeline import PipelineReport
from effocc_ros.nodes.to_message import header_message
from effocc_ros.stream import InputStatistics, StreamStatistics

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

OVERRUNS_TO_WARN = 3
OVERRUNS_TO_FAIL = 30
"""Frames in a row that replaced an older one."""

DROPS_TO_WARN = 0.5
"""Share of the frames since the last minute that were dropped."""

LOST_TO_WARN = 0.1
"""Share of an input's messages of the last minute that never came."""

SILENT_SECONDS = 1.0
SILENT_PERIODS = 5.0
"""An input, or the output, is late when it is older than a second and than five periods."""

DEAD_SECONDS = 10.0
DEAD_PERIODS = 30.0
"""The output counts as dead when it is older than this."""

CONSEQUENCES = ("silent", "back", "no_image", "no_sweep")
"""Reasons that follow from an input's silence, and do not explain it."""

PLAUSIBLE_MS = 3_600_000.0
"""Latencies beyond this are those of a recording played on today's clock."""


@dataclass(frozen=True)
class Snapshot:
    """Everything that the diagnostics are made of, at one moment.

    Attributes:
        statistics: Of the stream.
        pipeline: Of the pipeline.
        model: Name of the network, whether trained, device and so on, in words.
        trained: False when the weights are random.
        memory: MiB by name.
        expected: Inputs that should come.
        now: Seconds on the node's clock.
        since: When the node became active, or the clock was last set back.
        interval: Seconds between frames that were asked for; 0: as many as there are.
        drop_ratio: Share of the frames of the last minute that were dropped.
        lost: Messages that never came, by input.
        lost_shares: Share of the messages of the last minute that never came, by input.
        problems: Bad messages since the last diagnostics: source -> reasons.
        mismatches: Why no publisher of an input can be heard, by input.
        mode: Of the last occupancy: what took part in it; empty before the first.
        used: The inputs that took part in it.
        preferred: Sensor that makes the frames unless it is silent.
        views_superseded: Occupancies without views, for a newer one was there before their turn.
        clock_stands: Seconds on the machine's clock since the node's clock moved, where it stands
            still; None where it moves.
        view_failure: Why a view was not published lately; empty where all were.
    """

    statistics: StreamStatistics
    pipeline: PipelineReport
    model: dict[str, str]
    trained: bool
    memory: dict[str, float]
    expected: tuple[str, ...]
    now: float
    since: float = 0.0
    interval: float = 0.0
    drop_ratio: float = 0.0
    lost: Mapping[str, int] = field(default_factory=dict)
    lost_shares: Mapping[str, float] = field(default_factory=dict)
    problems: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mismatches: Mapping[str, str] = field(default_factory=dict)
    mode: str = ""
    used: tuple[str, ...] = ()
    preferred: str = ""
    views_superseded: int = 0
    clock_stands: float | None = None
    view_failure: str = ""


def diagnostics_message(snapshot: Snapshot, node: str, stamp: int) -> DiagnosticArray:
    """Write a snapshot: statuses ``output``, ``input <name>`` for each, ``stages``, ``device``.

    Args:
        snapshot: What is to be told.
        node: Full name of the node; each status name begins with it.
        stamp: Nanoseconds since the epoch.
    """
    stages = {f"{name}_ms": f"{ms:.1f}" for name, ms in snapshot.pipeline.stages.items()}
    memory = {name: f"{mib:.0f}" for name, mib in snapshot.memory.items()}
    names = dict.fromkeys((*snapshot.expected, *snapshot.statistics.inputs))
    statuses = [
        _status(node, "output", *_output(snapshot)),
        *(_status(node, f"input {name}", *_input(snapshot, name)) for name in names),
        _status(node, "input tf", *_tf(snapshot)),
        _status(node, "stages", OK, "median of the last frames", stages),
        _status(node, "device", OK, snapshot.model.get("device", ""), memory),
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


def _worst(findings: list[tuple[bytes, str]], fine: str) -> tuple[bytes, str]:
    if not findings:
        return OK, fine
    return max(level for level, _ in findings), "; ".join(text for _, text in findings)


def _output(snapshot: Snapshot) -> tuple[bytes, str, dict]:
    pipeline, statistics = snapshot.pipeline, snapshot.statistics
    period = output_period(snapshot)
    age = _age(snapshot, max(pipeline.last_published, snapshot.since))
    findings = []
    if pipeline.last_failure:
        findings.append((ERROR, pipeline.last_failure))
    if snapshot.clock_stands is not None:
        stood = f"/clock has stood still for {snapshot.clock_stands:.0f} s"
        none = "use_sim_time is set and no /clock has come"
        findings.append((WARN, stood if snapshot.now else none))
    if snapshot.view_failure:
        findings.append((WARN, f"views are not published: {snapshot.view_failure}"))
    verb = "nothing published" if pipeline.frames_out else "nothing published yet"
    late = f"{verb} for {age:.1f} s{_waiting(snapshot)}"
    if age > max(DEAD_SECONDS, DEAD_PERIODS * period):
        findings.append((ERROR, late))
    elif age > max(SILENT_SECONDS, SILENT_PERIODS * period) or not pipeline.frames_out:
        findings.append((WARN, late))
    if pipeline.consecutive_overruns >= OVERRUNS_TO_WARN:
        level = ERROR if pipeline.consecutive_overruns >= OVERRUNS_TO_FAIL else WARN
        text = f"too slow: {pipeline.consecutive_overruns} frames in a row replaced an older one"
        findings.append((level, text))
    elif snapshot.drop_ratio > DROPS_TO_WARN:
        findings.append((WARN, f"{100 * snapshot.drop_ratio:.0f} % of the frames were dropped"))
    if statistics.reference != snapshot.preferred:
        text = f"{statistics.reference} makes the frames, for {snapshot.preferred} is silent"
        findings.append((WARN, text))
    if statistics.ego_motion is False:
        findings.append((WARN, "the ego motion is unknown: frames are made of one sweep"))
    if not snapshot.trained:
        findings.append((WARN, "the model is UNTRAINED: its labels mean nothing"))
    level, text = _worst(findings, "publishing")
    values = {
        **snapshot.model,
        "frames_in": statistics.frames_in,
        "frames_out": pipeline.frames_out,
        "consecutive_overruns": pipeline.consecutive_overruns,
        "drop_ratio": f"{snapshot.drop_ratio:.2f}",
        "output_age_s": f"{age:.3f}",
        "expected_period_s": f"{period:.3f}",
        "frames_waiting": statistics.waiting,
        "views_superseded": snapshot.views_superseded,
        "mode": snapshot.mode,
        "reference": statistics.reference,
        "inputs": ", ".join(snapshot.used),
        **_latency(pipeline),
        **{f"drop.{reason}": count for reason, count in sorted(statistics.drops.items())},
    }
    return level, text, values


def _age(snapshot: Snapshot, moment: float) -> float:
    """Return the seconds since a moment; where the clock was set back meanwhile, since that."""
    return snapshot.now - (moment if moment <= snapshot.now else snapshot.since)


def output_period(snapshot: Snapshot) -> float:
    """Return the seconds after which the next frame is expected."""
    stages = snapshot.pipeline.stages
    network = sum(stages.get(name, 0.0) for name in ("network", "output")) / 1e3
    return max(snapshot.statistics.reference_period, snapshot.interval, network)


def _waiting(snapshot: Snapshot) -> str:
    statistics = snapshot.statistics
    if not statistics.waiting:
        return ""
    what = statistics.waiting_for
    seconds = snapshot.now - statistics.waiting_since
    return f": a frame has waited {seconds:.1f} s for {what}"


def _latency(pipeline: PipelineReport) -> dict[str, str]:
    told = {"latency_p50_ms": pipeline.latency_p50, "latency_p95_ms": pipeline.latency_p95}
    return {
        name: f"{value:.1f}"
        for name, value in told.items()
        if value is not None and abs(value) < PLAUSIBLE_MS
    }


def _input(snapshot: Snapshot, name: str) -> tuple[bytes, str, dict]:
    known = snapshot.statistics.inputs.get(name)
    values = {"count": known.count if known else 0}
    age = math.inf
    if known and known.count:
        age = _age(snapshot, known.last_arrival)
        values |= {"rate_hz": f"{known.rate:.2f}", "age_s": f"{age:.3f}"}
    if known and known.distance is not None:
        values |= {
            "distance_ms": f"{1e3 * known.distance:.1f}",
            "worst_distance_ms": f"{1e3 * known.worst_distance:.1f}",
        }
    values |= _counts(snapshot, name)
    if name not in snapshot.expected:
        return OK, "not used", values
    mismatch = snapshot.mismatches.get(name)
    if mismatch:
        return ERROR, f"silent: {mismatch}", values
    if snapshot.clock_stands is not None:
        return WARN, "not known: the clock stands still", values
    problems = (*snapshot.problems.get(name, ()), *_lost(snapshot, name))
    faults = ", ".join(each for each in problems if each not in CONSEQUENCES)
    if math.isinf(age):
        silent = snapshot.now - snapshot.since
        text = f"nothing usable has come: {faults}" if faults else "silent: nothing has come"
        return (ERROR if silent > DEAD_SECONDS else WARN), text, values
    if age > _patience(known):
        level = ERROR if age > max(DEAD_SECONDS, DEAD_PERIODS * known.period) else WARN
        if faults:
            return level, f"nothing usable for {age:.1f} s: {faults}", values
        return level, f"silent for {age:.1f} s", values
    if problems:
        return WARN, ", ".join(problems), values
    return OK, "receiving", values


def _tf(snapshot: Snapshot) -> tuple[bytes, str, dict]:
    problems = (*snapshot.problems.get("tf", ()), *_lost(snapshot, "tf"))
    if "tf" in snapshot.mismatches:
        problems = (*problems, snapshot.mismatches["tf"])
    if snapshot.statistics.waiting_for == "tf":
        problems = (*problems, _waiting(snapshot).removeprefix(": "))
    level = WARN if problems else OK
    return level, ", ".join(problems) or "no complaint", _counts(snapshot, "tf")


def _counts(snapshot: Snapshot, name: str) -> dict[str, int]:
    statistics = snapshot.statistics
    rejected = {
        f"{kind}.{what}": count
        for kind, counts in (("rejected", statistics.rejected), ("noted", statistics.noted))
        for what, count in sorted(counts.items())
        if what.startswith((f"{name}.", f"{name} "))
    }
    lost = {"lost": name, "lost_camera_info": f"{name} camera_info"}
    told = {key: snapshot.lost[each] for key, each in lost.items() if snapshot.lost.get(each)}
    return {**rejected, **told}


def _lost(snapshot: Snapshot, name: str) -> list[str]:
    share = snapshot.lost_shares.get(name, 0.0)
    return [f"{100 * share:.0f} % of the last messages never came"] * (share > LOST_TO_WARN)


def _patience(known: InputStatistics) -> float:
    return max(SILENT_SECONDS, SILENT_PERIODS * known.period)
