# SPDX-License-Identifier: Apache-2.0
"""What a run over a bag did, and how that is said."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessResult:
    """The outcome of ``process_bag``.

    Attributes:
        bag: The bag that was written.
        model: Preset or checkpoint that ran.
        trained: False when its weights are random.
        messages_in: Messages read.
        duration_s: Length of the input in seconds.
        elapsed_s: Seconds that the run took.
        frames_in: Reference stamps that were to become frames.
        frames_out: Occupancy grids written.
        drops: Frames that came to nothing, by reason.
        rejected: Messages that could not be used, by ``source.reason``.
        noted: Messages that were used, but not without a remark, by ``source.reason``.
        milliseconds: Median time of each stage per frame.
    """

    bag: Path
    model: str
    trained: bool
    messages_in: int
    duration_s: float
    elapsed_s: float
    frames_in: int
    frames_out: int
    drops: Mapping[str, int]
    rejected: Mapping[str, int]
    noted: Mapping[str, int]
    milliseconds: Mapping[str, float]

    def table(self) -> str:
        """Lay the numbers out as text, a line each."""
        rows = [
            ("model", self.model + ("" if self.trained else " (untrained: labels mean nothing)")),
            ("input", f"{self.messages_in} messages, {self.duration_s:.1f} s"),
            ("run", f"{self.elapsed_s:.1f} s"),
            ("frames in", str(self.frames_in)),
            ("frames out", str(self.frames_out)),
        ]
        rows += [(f"dropped: {reason}", str(n)) for reason, n in sorted(self.drops.items())]
        rows += [(f"rejected: {reason}", str(n)) for reason, n in sorted(self.rejected.items())]
        rows += [(f"noted: {reason}", str(n)) for reason, n in sorted(self.noted.items())]
        rows += [(stage, f"{value:.1f} ms") for stage, value in self.milliseconds.items()]
        rows.append(("written", str(self.bag)))
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
