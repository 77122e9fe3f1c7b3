# SPDX-License-Identifier: Apache-2.0
"""From nuScenes' tables and sensor files to Frames."""

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from effocc_ros.datasets.clouds import read_returns, say_other_intensity
from effocc_ros.datasets.files import is_there, read_image
from effocc_ros.datasets.nuscenes_tables import LIDAR, NuscenesTables, SampleRecord, SensorRecord
from effocc_ros.errors import InputError
from effocc_ros.frame import NUSCENES_CAMERAS, Camera, Frame, PointCloud
from effocc_ros.intrinsics import intrinsics_of_image
from effocc_ros.sweeps import Sweep, aggregate_sweeps

logger = logging.getLogger(__name__)

BASE_FRAME = "base_link"
POINT_COLUMNS = 5
"""x, y, z, intensity, ring."""

_told: set[Path] = set()
"""Data sets of which it was said that sweeps are absent."""


@dataclass(frozen=True)
class SweepChoice:
    """Which earlier LiDAR sweeps a cloud holds.

    Attributes:
        count: How many.
        drawn_from: From how many of the newest they are drawn at random, 10 in EFFOcc; 0 takes
            the newest, as the node does.
        seed: Seed of the draw; the same sample and epoch give the same sweeps.
    """

    count: int = 9
    drawn_from: int = 0
    seed: int = 0

    def chosen(self, newest: Sequence[SensorRecord], token: str, epoch: int) -> list[SensorRecord]:
        """Choose from sweeps, newest first, for the sample of that token."""
        if not self.drawn_from or len(newest) <= self.count:
            return list(newest[: self.count])
        draw = random.Random(f"{self.seed} {epoch} {token}")
        pool = range(min(self.drawn_from, len(newest)))
        return [newest[place] for place in sorted(draw.sample(pool, self.count))]


@dataclass(frozen=True)
class FrameReader:
    """Reads the Frames of samples.

    Attributes:
        tables: The tables.
        cameras: Which cameras to read.
        lidar: Whether to read the LiDAR.
        sweeps: Which earlier sweeps to add to the cloud.
    """

    tables: NuscenesTables
    cameras: tuple[str, ...] = NUSCENES_CAMERAS
    lidar: bool = True
    sweeps: SweepChoice = SweepChoice()

    def read(self, sample: SampleRecord, epoch: int = 0) -> Frame:
        """Read the Frame of a keyframe.

        Its stamp and ego frame are those of the LiDAR sweep, in which the labels stand, also
        where the LiDAR's points are not read.

        Earlier sweeps whose files are absent are left out, as at the start of a scene: without
        sweeps/ a cloud has those of earlier keyframes. It is logged once.

        Args:
            sample: The keyframe.
            epoch: With another epoch, other sweeps may be drawn.

        Raises:
            InputError: A file is absent or broken, or the sample has no LiDAR or no such camera.
        """
        records = self.tables.keyframe(sample)
        reference = self._record(records, LIDAR, sample)
        return Frame(
            stamp=reference.stamp,
            frame_id=BASE_FRAME,
            cameras=tuple(_camera(self._record(records, name, sample)) for name in self.cameras),
            cloud=self._cloud(reference, sample, epoch) if self.lidar else None,
            ego2global=reference.ego2global,
        )

    def files_of(self, sample: SampleRecord) -> list[Path]:
        """Return the files of a keyframe that its Frame cannot do without."""
        records = self.tables.keyframe(sample)
        used = [*self.cameras, *([LIDAR] if self.lidar else [])]
        return [records[channel].file for channel in used if channel in records]

    def _cloud(self, reference: SensorRecord, sample: SampleRecord, epoch: int) -> PointCloud:
        wanted = self.tables.earlier(reference, max(self.sweeps.drawn_from, self.sweeps.count))
        newest = [record for record in wanted if is_there(record.file)]
        if len(newest) < len(wanted):
            absent = next(record.file for record in wanted if record not in newest)
            _say_absent(self.tables.root, absent)
        chosen = self.sweeps.chosen(newest, sample.token, epoch)
        points = aggregate_sweeps(
            _sweep(reference), [_sweep(record) for record in chosen], count=self.sweeps.count
        )
        return PointCloud(points, reference.sensor2ego, reference.sensor)

    def _record(
        self, records: dict[str, SensorRecord], channel: str, sample: SampleRecord
    ) -> SensorRecord:
        if channel not in records:
            raise InputError(
                f"sample {sample.token} in {self.tables.folder}",
                found=f"keyframes of {', '.join(records) or 'no sensor'}",
                expected=f"one of {channel}",
                do=f"Call its channel {channel} in sensor.json"
                if channel == LIDAR and any("LIDAR" in name for name in records)
                else "Take all tables from one download",
                reason="missing_sensor",
            )
        return records[channel]


def _say_absent(root: Path, example: Path) -> None:
    if root not in _told:
        _told.add(root)
        logger.warning(
            "%s: earlier LiDAR sweeps are absent, for example %s; clouds go on without them",
            root,
            example.relative_to(root),
        )


def _camera(record: SensorRecord) -> Camera:
    if record.intrinsics is None:
        raise InputError(
            f"calibration of {record.sensor}, sample_data {record.token}",
            found="no camera_intrinsic",
            expected="a (3, 3) matrix",
            reason="no_intrinsics",
        )
    image = read_image(record.file)
    size, what = record.size[::-1], f"calibration of {record.sensor} in {record.scene}"
    return Camera(
        name=record.sensor,
        image=image,
        intrinsics=intrinsics_of_image(record.intrinsics, size, image.shape[1::-1], what),
        sensor2ego=record.sensor2ego,
        ego2global=record.ego2global,
        stamp=record.stamp,
    )


def _sweep(record: SensorRecord) -> Sweep:
    points = read_returns(record.file, POINT_COLUMNS)
    say_other_intensity(record.file.parent, points)
    return Sweep(
        points=points,
        sensor2ego=record.sensor2ego,
        ego2global=record.ego2global,
        stamp=record.stamp,
    )
