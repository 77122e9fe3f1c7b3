# SPDX-License-Identifier: Apache-2.0
"""How a training ended."""

from dataclasses import dataclass
from pathlib import Path

from effocc_ros.training.validation import Scores


@dataclass(frozen=True)
class RunResult:
    """How a training ended.

    Attributes:
        folder: The run folder.
        steps: Optimizer steps done.
        finished: False when a signal stopped it; the same command goes on.
        signal: A signal that came, also while a finished training was judged, or 0.
        best: The highest mIoU of an evaluation, or -1 if there was none.
        scores: Those of the last evaluation, or None.
        rank: Which of the training's processes this is; the first one speaks for all.
    """

    folder: Path
    steps: int
    finished: bool
    signal: int
    best: float
    scores: Scores | None
    rank: int = 0
