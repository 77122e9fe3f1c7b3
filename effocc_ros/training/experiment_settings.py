# SPDX-License-Identifier: Apache-2.0
"""What an experiment is asked for, and the config of each of its trainings."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from effocc_ros.errors import InputError
from effocc_ros.training.config import TrainConfig
from effocc_ros.training.config_files import config_from_mapping, config_to_mapping, load_config
from effocc_ros.training.experiment_plan import STEPS, Plan, Run
from effocc_ros.training.run_folder import RunFolder

OWN = (
    *("name", "out", "root", "seed", "device", "labeled_fraction", "budget", "init", "max_steps"),
    *("epochs", "max_minutes", "val_every", "teacher", "unlabeled"),
)
"""Fields that the experiment itself sets in each training."""


@dataclass(frozen=True)
class Settings:
    """An experiment.

    Attributes:
        out: Its folder.
        root: Folder of the data set.
        plan: Which trainings.
        start: Training config of the network that all students start from, without labels; empty:
            they start from random weights.
        teacher: Training config of the teachers.
        student: Training config of the students.
        values: ``key=value`` for all trainings.
        taught: ``key=value`` for those that have a teacher.
        steps: Optimizer steps of each student; 0: as the time budget allows.
        hours: Time budget of all trainings together.
        device: ``auto``, ``cpu`` or ``cuda``.
        command: The command that made it, for the page.
    """

    out: Path
    root: Path
    plan: Plan
    start: str = ""
    teacher: str = "fusion_tiny"
    student: str = "vision_tiny_student"
    values: tuple[str, ...] = ()
    taught: tuple[str, ...] = ()
    steps: int = 0
    hours: float = 8.0
    device: str = "auto"
    command: str = ""

    def __post_init__(self):
        names = [value.partition("=")[0].strip() for value in (*self.values, *self.taught)]
        own = [name for name in names if name in OWN]
        if own:
            raise InputError(
                "experiment",
                found=f"a value for {', '.join(own)}",
                expected="fields that it does not set itself in each training",
                do="Use its options, such as --steps, --seeds, --root or --start",
                reason="bad_option",
            )

    def config(self, run: Run, steps: int, folder: Path | None = None) -> TrainConfig:
        """Return the config of one training.

        Args:
            run: Which.
            steps: Optimizer steps of a student; a start or a teacher has more.
            folder: Where it and what it needs are; ``out/runs`` when None.
        """
        folder = folder or self.out / "runs"
        kind = run.arm.kind
        names = {"start": self.start, "teacher": self.teacher}
        teacher, start = self.plan.teacher_of(run), self.plan.start_of(run)
        weights = "" if teacher is None else str(RunFolder(folder / teacher.name).last)
        values = (f"root={self.root}", f"device={self.device}", *self.values)
        if teacher is not None:
            values += (f"teacher={weights}", *self.taught)
        config = load_config(names.get(kind, self.student), values)
        changes = {
            "name": run.name,
            "out": str(folder / run.name),
            "seed": run.seed,
            "labeled_fraction": run.arm.labeled or 1.0,
            "budget": "",
            "init": "" if start is None else str(RunFolder(folder / start.name).last),
            "max_steps": STEPS[kind] * steps,
            "epochs": 0,
            "max_minutes": 0.0,
            "val_every": 0,
            "teacher": weights,
            "unlabeled": teacher is not None,
        }
        if teacher is None:
            changes |= {"pseudo_labels": False, "teacher_train_mode": False}
        if kind == "start":
            # Whatever the config says: a start has seen no label.
            changes |= {"val_split": "", "voxel_weight": 0.0, "pixel_weight": 0.0}
            changes |= {"class_weights": "none", "logit_adjustment": 0.0, "image_weights": ""}
        if run.arm.stages:
            none = dict.fromkeys(asdict(config.stage_weights), 0.0)
            stages = none | dict(run.arm.stages)
            changes["stage_weights"] = replace(config.stage_weights, **stages)
            # Where nothing is compared and nothing guessed, only frames with labels teach.
            changes["unlabeled"] = config.pseudo_labels or any(stages.values())
        changed = replace(config, **changes)
        return config_from_mapping(config_to_mapping(changed), f"training {run.name}")
