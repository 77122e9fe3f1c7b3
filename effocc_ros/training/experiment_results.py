# SPDX-License-Identifier: Apache-2.0
"""What an experiment found: means, spreads, and the verdict on them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean, stdev

from effocc_ros.training.experiment_plan import Arm

GOAL = 0.9438
"""Part of A's mIoU that C reaches in the paper: 28.38 of 30.07."""


@dataclass(frozen=True)
class Result:
    """How one training ended.

    Attributes:
        arm: Name of its arm.
        seed: Its seed.
        miou: Mean IoU in the camera mask, a share of 1; NaN for a start, which is not judged.
        geometric_iou: IoU of occupied against free, likewise.
        steps: Optimizer steps.
        seconds: Wall time of the training.
    """

    arm: str
    seed: int
    miou: float
    geometric_iou: float
    steps: int
    seconds: float


@dataclass(frozen=True)
class Summary:
    """The results of one arm.

    Attributes:
        arm: The arm.
        results: In the order of the seeds; none where nothing has ended yet.
    """

    arm: Arm
    results: tuple[Result, ...]

    @property
    def miou(self) -> float:
        """Mean over the seeds; NaN without results."""
        return mean(r.miou for r in self.results) if self.results else math.nan

    @property
    def spread(self) -> float:
        """Sample standard deviation over the seeds; NaN for fewer than two."""
        return stdev(r.miou for r in self.results) if len(self.results) > 1 else math.nan

    @property
    def geometric_iou(self) -> float:
        """Mean over the seeds; NaN without results."""
        return mean(r.geometric_iou for r in self.results) if self.results else math.nan


@dataclass(frozen=True)
class Verdict:
    """The paper's claim, put to the test.

    Attributes:
        share: C / A of mean mIoU; NaN while one of them is missing.
        gain: C - B of mean mIoU; NaN while one of them is missing.
        spread: The greater standard deviation of B and C; NaN while one has fewer than two seeds.
        labels: A - B of mean mIoU, what more labels alone are worth; NaN while one is missing.
        labels_spread: The greater standard deviation of A and B.
    """

    share: float
    gain: float
    spread: float
    labels: float = math.nan
    labels_spread: float = math.nan

    @property
    def reaches_goal(self) -> bool:
        """Whether C has ``GOAL`` of A."""
        return self.share >= GOAL

    @property
    def beats_spread(self) -> bool:
        """Whether C is above B by more than the spread."""
        return self.gain > self.spread

    @property
    def labels_matter(self) -> bool:
        """Whether A is above B by more than the spread: labels limit these trainings."""
        return self.labels > self.labels_spread


def summarise(arms: Sequence[Arm], results: Iterable[Result]) -> tuple[Summary, ...]:
    """Gather results by arm, in the order of the arms."""
    ordered = sorted(results, key=lambda result: result.seed)
    return tuple(Summary(arm, tuple(r for r in ordered if r.arm == arm.name)) for arm in arms)


def judge(summaries: Iterable[Summary]) -> Verdict:
    """Compare A, B and C."""
    by_name = {summary.arm.name: summary for summary in summaries}
    a, b, c = (by_name.get(name, Summary(_NONE, ())) for name in "ABC")
    share = c.miou / a.miou if a.results and a.miou else math.nan
    gain, labels = c.miou - b.miou, a.miou - b.miou
    return Verdict(share, gain, _greater(b, c), labels, _greater(a, b))


def _greater(one: Summary, other: Summary) -> float:
    known = math.isfinite(one.spread) and math.isfinite(other.spread)
    return max(one.spread, other.spread) if known else math.nan


_NONE = Arm("", "", 0.0)


def as_mapping(
    summaries: Sequence[Summary], guess: Result | None, about: Mapping[str, object]
) -> dict:
    """Return everything as JSON values, shares of 1; what is not known is null."""
    verdict = judge(summaries)
    rows = [
        {
            "arm": s.arm.name,
            "title": s.arm.title,
            "labeled": s.arm.labeled,
            "taught_by": s.arm.taught_by,
            "stages": dict(s.arm.stages),
            "miou": _number(s.miou),
            "spread": _number(s.spread),
            "geometric_iou": _number(s.geometric_iou),
            "runs": [asdict(result) for result in s.results],
        }
        for s in summaries
    ]
    judged = {
        "share": _number(verdict.share),
        "goal": GOAL,
        "reaches_goal": verdict.reaches_goal,
        "gain": _number(verdict.gain),
        "spread": _number(verdict.spread),
        "beats_spread": verdict.beats_spread,
        "labels": _number(verdict.labels),
        "labels_spread": _number(verdict.labels_spread),
        "labels_matter": verdict.labels_matter,
    }
    guessed = None if guess is None else asdict(guess)
    return {"about": dict(about), "arms": rows, "verdict": judged, "guess": guessed}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
