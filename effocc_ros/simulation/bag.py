# SPDX-License-Identifier: Apache-2.0
"""A drive as a ROS 2 bag, with the true occupancy beside it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from effocc_ros.bags.nuscenes import (
    BASE_FRAME,
    MountedSensor,
    PoseEvent,
    SensorEvent,
    write_events,
)
from effocc_ros.bags.writer import BagWriter
from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.errors import InputError
from effocc_ros.files import whole_file
from effocc_ros.geometry import OCC3D_GRID
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.simulation.drive import Drive, Instant, encode_jpeg
from effocc_ros.simulation.processes import usable_cores, worker_pool
from effocc_ros.simulation.rig import LIDAR_RATE, check_image_size, drawn_rig

LIDAR = "LIDAR_TOP"
DEFAULT_SIZE = (396, 704)


@dataclass(frozen=True)
class Measured:
    """What was measured at one instant.

    Attributes:
        instant: When.
        images: JPEG of each camera that fired, in the order of ``instant.cameras``.
        points: (N, 5) float32 LiDAR returns: x, y, z, intensity, ring.
        poses: (4, 4) ego poses by stamp.
        truth: Arrays of :meth:`Drive.truth` at a keyframe, else None.
    """

    instant: Instant
    images: tuple[bytes, ...]
    points: NDArray[np.float32]
    poses: dict[int, NDArray[np.float64]]
    truth: dict[str, NDArray[np.uint8]] | None


def simulate_bag(
    path: Path | str,
    seed: int = 0,
    duration_s: float = 5.0,
    image_size: tuple[int, int] = DEFAULT_SIZE,
    *,
    workers: int | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Drive through a simulated street and record it.

    Args:
        path: The rosbag2 folder (MCAP) that shall appear; ``truth/<stamp>.npz`` in it holds the
            true classes of each keyframe and what was seen of them (see ``load_truth``).
        seed: Street, traffic, light and noise follow from it.
        duration_s: Length in seconds.
        image_size: (height, width) of the pictures.
        workers: Processes; by default one for each core that this process may use.
        overwrite: Replace a bag that is already there.
        progress: Show a progress bar.

    Returns:
        The path of the bag.

    Raises:
        InputError: The duration or the image size makes no sense, or ``path`` is taken.
    """
    path = Path(path)
    _check(duration_s, image_size)
    with (
        BagWriter(path, overwrite=overwrite) as writer,
        tqdm(
            _measure(seed, duration_s, image_size, workers),
            total=round(duration_s * LIDAR_RATE),
            desc="simulate",
            unit="sweep",
            disable=not progress,
        ) as measured,
    ):
        write_events(writer, _events(measured, writer.folder), _calibration(seed, image_size))
    return path


def load_truth(path: Path | str, stamp: int) -> SemanticOccupancy:
    """Read the true occupancy of a simulated bag.

    Args:
        path: The bag's folder.
        stamp: Stamp of a keyframe's LiDAR sweep, nanoseconds since the epoch.

    Raises:
        InputError: There is none for that stamp.
    """
    labels = _truth_arrays(path, stamp)["semantics"]
    return SemanticOccupancy(
        stamp,
        BASE_FRAME,
        OCC3D_GRID,
        labels,
        OCC3D_NUSCENES,
        model="truth",
        trained=True,
        mode="truth",
    )


def load_camera_mask(path: Path | str, stamp: int) -> NDArray[np.bool_]:
    """Read which voxels the cameras of a simulated bag saw, (200, 200, 16) bool.

    Args:
        path: The bag's folder.
        stamp: Stamp of a keyframe's LiDAR sweep, nanoseconds since the epoch.

    Raises:
        InputError: There is none for that stamp.
    """
    return _truth_arrays(path, stamp)["mask_camera"] != 0


def _truth_arrays(path: Path | str, stamp: int) -> dict[str, NDArray[np.uint8]]:
    file = _truth_file(Path(path), stamp)
    if not file.is_file():
        raise InputError(
            f"truth of bag {path}",
            found=f"no {file.name}",
            expected=f"one of the stamps {truth_stamps(path)}",
            do="ask for a keyframe of a simulated bag",
            reason="no_truth",
        )
    with np.load(file) as arrays:
        return dict(arrays)


def truth_stamps(path: Path | str) -> tuple[int, ...]:
    """List the stamps of a simulated bag that have true occupancy."""
    return tuple(int(file.stem) for file in truth_files(path))


def truth_files(path: Path | str) -> tuple[Path, ...]:
    """List the files of a simulated bag's true occupancy in the order of time."""
    return tuple(sorted(Path(path).glob("truth/*.npz"), key=lambda file: int(file.stem)))


def _truth_file(path: Path, stamp: int) -> Path:
    return path / "truth" / f"{stamp}.npz"


def _check(duration_s: float, image_size: tuple[int, int]) -> None:
    if not 0.05 <= duration_s <= 120.0:
        raise InputError(
            "duration of the drive", found=f"{duration_s} s", expected="0.05 to 120 seconds"
        )
    check_image_size(image_size)


def _measure(seed, duration_s, image_size, workers) -> Iterator[Measured]:
    """Measure all instants in order, by several processes when there are cores for it."""
    workers = workers or usable_cores()
    make = partial(Drive, seed, duration_s, image_size)
    if workers == 1:
        drive = make()
        yield from (measure(drive, instant) for instant in drive.instants())
        return
    count = round(duration_s * LIDAR_RATE)
    with worker_pool(workers, partial(_start_worker, make)) as pool:
        yield from pool.map(_work, range(count), chunksize=max(1, min(5, count // workers)))


def measure(drive: Drive, instant: Instant) -> Measured:
    """Take all measurements of one instant."""
    images = tuple(encode_jpeg(drive.picture(*camera)) for camera in instant.cameras)
    stamps = [stamp for _, stamp in instant.cameras] + [instant.stamp]
    return Measured(
        instant,
        images,
        drive.sweep(instant.stamp).points,
        {stamp: drive.ego2map(stamp) for stamp in stamps},
        drive.truth(instant.stamp) if instant.keyframe else None,
    )


_drive: Drive | None = None


def _start_worker(make) -> None:
    global _drive
    _drive = make()


def _work(number: int) -> Measured:
    return measure(_drive, _drive.instants()[number])


def _calibration(seed: int, image_size: tuple[int, int]) -> list[MountedSensor]:
    rig = drawn_rig(seed, image_size)
    cameras = [
        MountedSensor(camera.name, camera.sensor2ego, camera.intrinsics, camera.image_size)
        for camera in rig.cameras
    ]
    return [*cameras, MountedSensor(rig.lidar.name, rig.lidar.sensor2ego)]


def _events(measured: Iterable[Measured], folder: Path) -> Iterator[SensorEvent | PoseEvent]:
    """List what was measured in the order of time; the truth goes into the bag's folder."""
    for one in measured:
        instant = one.instant
        fired = zip(instant.cameras, one.images, strict=True)
        taken = [(stamp, name, jpeg) for (name, stamp), jpeg in fired]
        taken.append((instant.stamp, LIDAR, one.points))
        for stamp, name, data in sorted(taken, key=lambda each: each[0]):
            yield PoseEvent(stamp, one.poses[stamp])
            yield SensorEvent(stamp, name, data)
        if one.truth is not None:
            with whole_file(_truth_file(folder, instant.stamp)) as partial_file:
                np.savez_compressed(partial_file, **one.truth)
