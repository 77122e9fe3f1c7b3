# SPDX-License-Identifier: Apache-2.0
"""Which trainings the label-efficiency experiment consists of."""

from collections.abc import Sequence
from dataclasses import dataclass

from effocc_ros.errors import InputError
from effocc_ros.training.distillation import STAGES

STEPS = {"start": 3, "teacher": 2, "student": 1, "taught": 1}
"""Kind of a training -> how many times the steps of a student it has. Trainings of one kind cost
alike. The start and the teachers are trained once, for many students."""


@dataclass(frozen=True)
class Arm:
    """Trainings that differ in their seed alone.

    Attributes:
        name: Short name: A.
        title: What it is, for a reader.
        labeled: Part of the scenes whose labels may be seen; 0: none, for the start.
        is_teacher: True for the fusion network, False for a student.
        taught_by: Name of the arm whose network teaches this one, on all scenes; empty: none.
        stages: Weights of the stages at which they are compared, in place of the config's; of
            those that are not named it is 0. Empty: the config's.
    """

    name: str
    title: str
    labeled: float
    is_teacher: bool = False
    taught_by: str = ""
    stages: tuple[tuple[str, float], ...] = ()

    @property
    def kind(self) -> str:
        """One of ``STEPS``."""
        if not self.labeled:
            return "start"
        if self.is_teacher:
            return "teacher"
        return "taught" if self.taught_by else "student"


START = Arm("S", "network that has seen no labels", 0.0)
"""All students start from it, as the paper's do from a network that learned from other images."""
T40 = Arm("T40", "fusion teacher", 0.4, is_teacher=True)
T10 = Arm("T10", "fusion teacher", 0.1, is_teacher=True)
T100 = Arm("T100", "fusion teacher", 1.0, is_teacher=True)
A = Arm("A", "student", 1.0)
B = Arm("B", "student", 0.4)
C = Arm("C", "student, distilled", 0.4, taught_by="T40")
D = Arm("D", "student, distilled", 0.1, taught_by="T10")

LABEL_EFFICIENCY = (T40, A, B, C, T10, D, T100)
"""In the order in which they are trained. D's teacher knows 10 % of the labels, too: a student of
a teacher that knows more would not be one of 10 %."""


def stage_arms() -> tuple[Arm, ...]:
    """Return the arms of the ablation: C with no stage, with each alone, and with all of them.

    With none a teacher gives pseudo labels and weights to begin with, where those are asked for.
    """
    none = Arm("C-none", "none", 0.4, taught_by="T40", stages=tuple((s, 0.0) for s in STAGES))
    alone = tuple(
        Arm(f"C-{stage}", stage.replace("_", " "), 0.4, taught_by="T40", stages=((stage, 1.0),))
        for stage in STAGES
    )
    everything = tuple((stage, 1.0) for stage in STAGES)
    return (none, *alone, Arm("C-all", "all four", 0.4, taught_by="T40", stages=everything))


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        arm: What it is.
        seed: Everything random in it.
    """

    arm: Arm
    seed: int

    @property
    def name(self) -> str:
        """What its folder is called."""
        return f"{self.arm.name}-{self.seed}"


@dataclass(frozen=True)
class Plan:
    """All trainings of an experiment.

    Attributes:
        arms: The arms, each teacher before its students.
        seeds: Seeds of every student.
        teacher_seeds: Seeds of every teacher; student s is taught by teacher s modulo this.
        start: Whether all students start from a network that was trained without labels.
    """

    arms: tuple[Arm, ...]
    seeds: int = 3
    teacher_seeds: int = 1
    start: bool = False

    def __post_init__(self):
        if not 1 <= self.teacher_seeds <= self.seeds:
            raise InputError(
                "--teacher-seeds",
                found=f"{self.teacher_seeds} beside --seeds {self.seeds}",
                expected="1 to the number of seeds",
                reason="bad_option",
            )

    def runs(self) -> tuple[Run, ...]:
        """Return the trainings in order: all of the first seed, then those of the next one.

        So an experiment that is not over yet can be judged by what is there.
        """
        start = (Run(START, 0),) if self.start else ()
        return start + tuple(
            Run(arm, seed)
            for seed in range(self.seeds)
            for arm in self.arms
            if not arm.is_teacher or seed < self.teacher_seeds
        )

    def start_of(self, run: Run) -> Run | None:
        """Return the training whose network this one starts from, or None."""
        return Run(START, 0) if self.start and run.arm.kind in ("student", "taught") else None

    def teacher_of(self, run: Run) -> Run | None:
        """Return the training whose network teaches this one, or None."""
        if not run.arm.taught_by:
            return None
        teacher = next(arm for arm in self.arms if arm.name == run.arm.taught_by)
        return Run(teacher, run.seed % self.teacher_seeds)

    def needs(self, run: Run) -> tuple[Run, ...]:
        """Return the trainings that must be over before this one."""
        return tuple(r for r in (self.start_of(run), self.teacher_of(run)) if r is not None)


def choose_arms(names: Sequence[str] = (), *, stages: bool = False) -> tuple[Arm, ...]:
    """Return the arms of those names, and the teachers that they need.

    Args:
        names: Some of the names of ``LABEL_EFFICIENCY``; all when empty.
        stages: Also those of :func:`stage_arms`.

    Raises:
        InputError: There is no such arm.
    """
    known = {arm.name: arm for arm in LABEL_EFFICIENCY}
    for name in names:
        if name not in known:
            raise InputError(
                "--arms",
                found=repr(name),
                expected=f"some of {', '.join(known)}",
                reason="bad_option",
            )
    wanted = [arm for arm in LABEL_EFFICIENCY if not names or arm.name in names]
    wanted += stage_arms() if stages else ()
    needed = {arm.taught_by for arm in wanted} | {arm.name for arm in wanted}
    teachers = [arm for arm in LABEL_EFFICIENCY if arm.name in needed and arm not in wanted]
    return tuple(sorted([*teachers, *wanted], key=lambda arm: _order(arm)))


def _order(arm: Arm) -> int:
    return LABEL_EFFICIENCY.index(arm) if arm in LABEL_EFFICIENCY else len(LABEL_EFFICIENCY)


def steps_within(
    seconds: float, runs: Sequence[Run], per_step: dict[str, float], per_run: dict[str, float]
) -> int:
    """Divide a time budget: how many steps each student may have, the others a multiple of it.

    Equal steps and not equal minutes: a student with a teacher takes longer for each of them, and
    a machine is not equally fast all day.

    Args:
        seconds: For all trainings together.
        runs: The trainings.
        per_step: Kind -> seconds of a step.
        per_run: Kind -> seconds of a training beside its steps: start and evaluation.

    Raises:
        InputError: There is no time for a single step.
    """
    fixed = sum(per_run[run.arm.kind] for run in runs)
    each = sum(STEPS[run.arm.kind] * per_step[run.arm.kind] for run in runs)
    steps = int((seconds - fixed) / each)
    if steps < 1:
        raise InputError(
            "--budget-hours",
            found=f"{seconds / 3600:.2f} h for {len(runs)} trainings",
            expected=f"more than {fixed / 3600:.2f} h, which their evaluations alone take",
            do="Give more time, or choose fewer --arms, or a smaller val_limit=N",
            reason="bad_option",
        )
    return steps
