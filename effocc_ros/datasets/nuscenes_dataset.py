"""Benchmarks on nuScenes: one torch Dataset, whichever labels it reads."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch.utils.data import Dataset

from effocc_ros.datasets.budgets import labeled_scenes
from effocc_ros.datasets.nuscenes_frames import FrameReader, SweepChoice
from effocc_ros.datasets.nuscenes_tables import NuscenesTables, SampleRecord
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
    """

    space: LabelSpace
    folder: str
    file: Callable[[SampleRecord], Path]
    read: Callable[[Path], Labels]


class NuscenesDataset(Dataset[Sample]):
    """The samples of a split in the order of time.

    Args:
        benchmark: Whose labels.
        root: The data set's folder, with samples/, sweeps/ and the tables' folder.
        split: An official split, one of the folder's own, or ``all``.
        version: Folder of the tables; that of the official split when empty.
        labels_root: Folder of the labels; the benchmark's own below ``root`` when None.
        cameras: Which cameras to read.
        lidar: Whether to read the LiDAR.
        sweeps: Which earlier LiDAR sweeps to add.
        labeled_fraction: Part of the split's scenes whose labels may be seen.
        unlabeled: What becomes of the other scenes: True keeps their samples without labels, as
            students see them; False leaves them out, as teachers train.
        with_labels: False where there are no labels at all, as in the test split.

    Attributes:
        samples: The samples' records.
        epoch: Set it before an epoch where sweeps are drawn at random, so that others are drawn.

    Raises:
        InputError: Tables are missing or broken, or the split has no sample.
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
        unlabeled: bool = False,
        with_labels: bool = True,
    ):
        self.benchmark, self.space = benchmark, benchmark.space
        self.tables = NuscenesTables(root, version or official_version(split))
        self.labels_root = Path(labels_root or Path(root) / benchmark.folder)
        self.epoch = 0
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
        self._labeled = labeled_scenes((s.scene_token for s in samples), labeled_fraction)
        self._with_labels = with_labels
        self.samples = [s for s in samples if unlabeled or s.scene_token in self._labeled]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        """Read a sample.

        Raises:
            InputError: A file is absent or broken; it is named.
        """
        record = self.samples[index]
        labeled = self.is_labeled(index)
        return Sample(
            token=record.token,
            scene=record.scene,
            frame=self._reader.read(record, self.epoch),
            labeled=labeled,
            truth=self.benchmark.read(self.labels_file(index)) if labeled else None,
            space=self.space,
        )

    def is_labeled(self, index: int) -> bool:
        """Return whether the label budget shows this sample's labels."""
        return self._with_labels and self.samples[index].scene_token in self._labeled

    def labels_file(self, index: int) -> Path:
        """Return where the labels of a sample are, or should be."""
        return self.labels_root / self.benchmark.file(self.samples[index])
