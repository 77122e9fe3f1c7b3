# SPDX-License-Identifier: Apache-2.0
"""Benchmarks on nuScenes: one torch Dataset, whichever labels it reads."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.utils.data import Dataset

from effocc_ros.datasets.budgets import LabelBudget, labeled_scenes
from effocc_ros.datasets.nuscenes_frames import FrameReader, SweepChoice
from effocc_ros.datasets.nuscenes_tables import NuscenesTables, SampleRecord
from effocc_ros.datasets.places import labels_folder
from effocc_ros.datasets.sample import Labels, LabelSpace, Sample
from effocc_ros.datasets.splits import official_version, scenes_of_split
from effocc_ros.errors import InputError
from effocc_ros.frame import NUSCENES_CAMERAS


@dataclass(frozen=True)
class NuscenesBenchmark:
    """Labels for the samples of nuScenes.

    Attributes:
        space: What the labels mean.
        folder: Where they are, below the data set's folder.
        file: Returns the path of a sample's labels below ``folder``.
        read: Reads such a file.
        habits: Where people unpack them instead, below the data set's folder or beside it.
    """

    space: LabelSpace
    folder: str
    file: Callable[[SampleRecord], Path]
    read: Callable[[Path], Labels]
    habits: tuple[str, ...] = ()

    def place(self, root: Path, samples: Iterable[SampleRecord]) -> Path:
        """Return the folder of the labels of samples, where there is any."""
        scenes = {self.file(sample).parts[0] for sample in samples}
        return labels_folder(root, (self.folder, *self.habits), scenes)


class NuscenesDataset(Dataset[Sample]):
    """The samples of a split in the order of time.

    Args:
        benchmark: Whose labels.
        root: The data set's folder, with samples/, sweeps/ and the tables' folder.
        split: An official split, one of the folder's own, or ``all``.
        version: Folder of the tables; that of the official split when empty.
        labels_root: Folder of the labels; found when None.
        cameras: Which cameras to read.
        lidar: Whether to read the LiDAR.
        sweeps: Which earlier LiDAR sweeps to add.
        labeled_fraction: Part of the split's scenes whose labels may be seen.
        budget: Scenes, frames or voxels whose labels may be seen, in place of a fraction.
        unlabeled: What becomes of the other samples: True keeps them without labels, as students
            see them; False leaves them out, as teachers train.
        with_labels: False where there are no labels at all, as in the test split.

    Attributes:
        samples: The samples' records.

    Raises:
        InputError: Tables are missing or broken, the split has no sample, or the budget is not of
            this split.
    """

    def __init__(
        self,
        benchmark: NuscenesBenchmark,
        root: Path | str,
        split: str = "train",
        *,
        version: str = "",
        labels_root: Path | str | None = None,
        cameras: tuple[str, ...] = NUSCENES_CAMERAS,
        lidar: bool = True,
        sweeps: SweepChoice = SweepChoice(),  # noqa: B008 (frozen)
        labeled_fraction: float = 1.0,
        budget: LabelBudget | None = None,
        unlabeled: bool = False,
        with_labels: bool = True,
    ):
        self.benchmark, self.space = benchmark, benchmark.space
        self.tables = NuscenesTables(root, version or official_version(split))
        # Shared with worker processes, also with those that live longer than an epoch.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self._reader = FrameReader(self.tables, cameras, lidar, sweeps)
        scenes = scenes_of_split(split, self.tables.folder)
        samples = [s for s in self.tables.samples() if scenes is None or s.scene in scenes]
        if not samples:
            raise InputError(
                f"split {split} of {self.tables.folder}",
                found=f"none of its scenes among {len(self.tables.scene_names)} there",
                expected="at least one",
                do="Name the split that these tables are of, or `all`",
                reason="empty_split",
            )
        self.labels_root = Path(labels_root or benchmark.place(Path(root), samples))
        self._budget = budget or _of_scenes(samples, labeled_fraction)
        if budget is not None:
            _check_budget(budget, labeled_fraction, samples, f"split {split}")
        self._with_labels = with_labels
        self.samples = [s for s in samples if unlabeled or self._shows(s)]

    @property
    def epoch(self) -> int:
        """Decides which sweeps are drawn, where they are drawn at random: set it before each.

        Worker processes see it at once, also those that persist.
        """
        return int(self._epoch)

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        """Read a sample, with the sweeps of the present epoch.

        Raises:
            InputError: A file is absent or broken; it is named.
        """
        return self.read(index, self.epoch)

    def read(self, index: int, epoch: int) -> Sample:
        """Read a sample, with the sweeps of an epoch.

        Raises:
            InputError: A file is absent or broken; it is named.
        """
        record = self.samples[index]
        labeled = self.is_labeled(index)
        return Sample(
            token=record.token,
            scene=record.scene,
            frame=self._reader.read(record, epoch),
            labeled=labeled,
            truth=self._truth(index) if labeled else None,
            space=self.space,
        )

    def _truth(self, index: int) -> Labels:
        truth = self.benchmark.read(self.labels_file(index))
        shown = self._budget.shown(self.samples[index].token, truth.semantics.shape)
        return truth if shown is None else replace(truth, shown=shown)

    def is_labeled(self, index: int) -> bool:
        """Return whether the label budget shows this sample's labels."""
        return self._with_labels and self._shows(self.samples[index])

    def _shows(self, record: SampleRecord) -> bool:
        return self._budget.is_labeled(record.token, record.scene_token)

    def files_of(self, index: int) -> list[Path]:
        """Return the files that a sample cannot be read without: sensors' and labels."""
        files = self._reader.files_of(self.samples[index])
        return [*files, self.labels_file(index)] if self.is_labeled(index) else files

    def labels_file(self, index: int) -> Path:
        """Return where the labels of a sample are, or should be."""
        return self.labels_root / self.benchmark.file(self.samples[index])


def _of_scenes(samples: list[SampleRecord], fraction: float) -> LabelBudget:
    """Return EFFOcc's budget: a fraction of the scenes."""
    scenes = labeled_scenes((sample.scene_token for sample in samples), fraction)
    return LabelBudget("scenes", scenes=scenes)


def _check_budget(
    budget: LabelBudget, fraction: float, samples: list[SampleRecord], where: str
) -> None:
    if fraction != 1.0:
        raise InputError(
            "labeled_fraction",
            found=f"{fraction} beside a label budget",
            expected="one of the two",
            reason="two_budgets",
        )
    tokens = [sample.token for sample in samples]
    budget.check_known(tokens, [sample.scene_token for sample in samples], where)
