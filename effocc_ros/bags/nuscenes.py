# SPDX-License-Identifier: Apache-2.0
"""Bags of a nuScenes car: what `effocc nuscenes2bag` and the simulator write.

The topics are those of WATonomous' nuscenes_to_ros2bag: ``/CAM_FRONT/image_rect_compressed``
(JPEG or PNG), ``/CAM_FRONT/camera_info``, ``/LIDAR_TOP`` (x y z intensity ring, float32). Every
ego pose is on ``/tf`` (map -> base_link), the sensors' places are on ``/tf_static``.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from effocc_ros.bags.messages import (
    NUSCENES_POINT,
    camera_info_message,
    compressed_image_message,
    point_cloud_message,
    tf_message,
    transform_message,
)
from effocc_ros.bags.writer import BagWriter
from effocc_ros.datasets.files import is_there, read_packed_image, read_points
from effocc_ros.datasets.nuscenes_tables import NuscenesTables, SensorRecord
from effocc_ros.errors import InputError
from effocc_ros.image_bytes import kind_of, read_header
from effocc_ros.intrinsics import intrinsics_of_image
from effocc_ros.progress import with_progress

logger = logging.getLogger(__name__)

FIXED_FRAME = "map"
BASE_FRAME = "base_link"

SAME_PLACE = 1e-4
"""Metres, and entries of a rotation, by which the rows of one sensor may differ."""


@dataclass(frozen=True)
class MountedSensor:
    """Where a sensor sits and, for a camera, how it sees.

    Attributes:
        name: The sensor, also its frame, for example ``CAM_FRONT``.
        sensor2ego: (4, 4) pose of the sensor in the base frame.
        intrinsics: (3, 3) pinhole matrix in pixels; None makes it a LiDAR.
        size: Height and width of the camera's images in pixels.
    """

    name: str
    sensor2ego: NDArray[np.float64]
    intrinsics: NDArray[np.float64] | None = None
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class SensorEvent:
    """One image or one LiDAR sweep.

    Attributes:
        stamp: Nanoseconds since the epoch.
        sensor: Name of a MountedSensor.
        data: bytes of a camera's JPEG or PNG; (N, 5) float32 x, y, z (metres, sensor frame),
            intensity (0..255), ring of a LiDAR.
        intrinsics: (3, 3) pinhole matrix of a camera that is recalibrated on the way; None: the
            MountedSensor's.
        size: Height and width that ``intrinsics`` is for.
    """

    stamp: int
    sensor: str
    data: bytes | NDArray[np.float32]
    intrinsics: NDArray[np.float64] | None = None
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class PoseEvent:
    """One ego pose: (4, 4) base frame to map at ``stamp`` nanoseconds."""

    stamp: int
    ego2global: NDArray[np.float64]


def write_nuscenes_bag(
    path: Path | str,
    events: Iterable[SensorEvent | PoseEvent],
    calibration: Sequence[MountedSensor],
    *,
    overwrite: bool = False,
) -> dict[str, int]:
    """Write events as a bag of a nuScenes car; it appears whole or not at all.

    Args:
        path: The rosbag2 folder that shall appear.
        events: In the order of time, poses before what was measured at the same moment.
        calibration: Every sensor of the events.
        overwrite: Replace a bag that is there.

    Returns:
        Number of messages on each topic.

    Raises:
        InputError: Events out of order, an unknown sensor, or no free path.
    """
    with BagWriter(path, overwrite=overwrite) as writer:
        write_events(writer, events, calibration)
        return writer.counts


def write_events(
    writer: BagWriter,
    events: Iterable[SensorEvent | PoseEvent],
    calibration: Sequence[MountedSensor],
) -> None:
    """Write events into an open bag, each at its own stamp; see ``write_nuscenes_bag``."""
    sensors = {sensor.name: sensor for sensor in calibration}
    last = None
    for event in events:
        if last is None:
            _write_places(writer, calibration, event.stamp)
        elif event.stamp < last:
            raise InputError(
                f"event of {getattr(event, 'sensor', BASE_FRAME)}",
                found=f"stamp {event.stamp} ns after {last} ns",
                expected="events in the order of time",
                reason="out_of_order",
            )
        last = event.stamp
        if isinstance(event, PoseEvent):
            pose = transform_message(event.stamp, FIXED_FRAME, BASE_FRAME, event.ego2global)
            writer.write("/tf", tf_message([pose]), event.stamp)
        elif event.sensor not in sensors:
            raise InputError(
                f"event at {event.stamp} ns",
                found=f"sensor {event.sensor}",
                expected=f"one of {', '.join(sensors)}",
                reason="unknown_sensor",
            )
        else:
            _write_measurement(writer, event, sensors[event.sensor])


def nuscenes_to_bag(
    root: Path | str,
    path: Path | str,
    *,
    version: str = "v1.0-mini",
    scene: str = "scene-0061",
    sweeps: bool = True,
    overwrite: bool = False,
    progress: bool = False,
) -> dict[str, int]:
    """Write one scene of nuScenes as a bag: its cameras and LiDAR, and the ego poses of all data.

    Files that are absent are left out, and that is logged.

    Args:
        root: The data set's folder.
        path: The rosbag2 folder that shall appear.
        version: Which tables.
        scene: Which scene.
        sweeps: Also the data between keyframes (12 Hz cameras, 20 Hz LiDAR).
        overwrite: Replace a bag that is there.
        progress: Show a progress bar on stderr.

    Returns:
        Number of messages on each topic.

    Raises:
        InputError: A table or token is missing or broken, a file is broken, or every file of the
            scene is absent; named in the text.
    """
    records = NuscenesTables(root, version).scene(scene)
    wanted = [record for record in records if record.modality in ("camera", "lidar")]
    wanted = [record for record in wanted if record.key_frame or sweeps]
    measured = [record for record in wanted if is_there(record.file)]
    _say_absent(scene, wanted, measured)
    calibration = scene_calibration(measured)
    poses = {record.pose_stamp: record.ego2global for record in records}
    steps: list[PoseEvent | SensorRecord] = [PoseEvent(*item) for item in poses.items()]
    # Sorting is stable: at equal stamps poses stay before measurements.
    steps = sorted(steps + measured, key=lambda step: step.stamp)
    bar = with_progress(steps, len(steps), what=scene, shown=progress)
    return write_nuscenes_bag(path, _loaded(bar), calibration, overwrite=overwrite)


def scene_calibration(records: Iterable[SensorRecord]) -> tuple[MountedSensor, ...]:
    """Return the one place that each sensor has in a scene, and its first intrinsics.

    Raises:
        InputError: A sensor has two places, which /tf_static could not say.
    """
    found: dict[str, MountedSensor] = {}
    for record in records:
        known = found.setdefault(
            record.sensor,
            MountedSensor(record.sensor, record.sensor2ego, record.intrinsics, record.size),
        )
        if not np.allclose(known.sensor2ego, record.sensor2ego, rtol=0.0, atol=SAME_PLACE):
            raise InputError(
                f"calibration of {record.sensor}",
                found="two different places in one scene",
                expected="one, as a bag's /tf_static has",
                reason="two_calibrations",
            )
    return tuple(found.values())


def _say_absent(
    scene: str, wanted: Sequence[SensorRecord], measured: Sequence[SensorRecord]
) -> None:
    """Say what was not downloaded; refuse a scene of which there is nothing."""
    known = {record.token for record in measured}
    absent = [each for each in wanted if each.token not in known]
    for kind, word in ((True, "keyframes"), (False, "files between keyframes")):
        gone = [each.file for each in absent if each.key_frame is kind]
        total = sum(each.key_frame is kind for each in wanted)
        if gone and measured:
            logger.warning(
                "%d of %d %s of %s are absent, for example %s; the bag goes on without them%s",
                *(len(gone), total, word, scene, gone[0]),
                "" if kind else " (--keyframes leaves out all of them)",
            )
    if not measured:
        raise InputError(
            f"nuScenes scene {scene}",
            found=f"none of its {len(wanted)} files, for example {wanted[0].file}",
            expected="images and LiDAR sweeps",
            do="Unpack the archive that has them, or name another scene (--scene)",
            reason="missing_file",
        )


def _loaded(steps: Iterable[PoseEvent | SensorRecord]) -> Iterator[PoseEvent | SensorEvent]:
    for step in steps:
        if isinstance(step, PoseEvent):
            yield step
            continue
        what = f"the data of {step.sensor} at {step.stamp} ns"
        if step.modality == "lidar":
            data = read_points(step.file, len(NUSCENES_POINT), what)
        else:
            data = read_packed_image(step.file, what)
            _check_size(step, data)
        yield SensorEvent(step.stamp, step.sensor, data, step.intrinsics, step.size)


def _check_size(record: SensorRecord, data: bytes) -> None:
    """Refuse what the stream would leave out: an image that its intrinsics are not of."""
    header = read_header(data)
    if header is not None and record.intrinsics is not None:
        what = f"calibration of {record.sensor} in {record.scene}"
        intrinsics_of_image(record.intrinsics, record.size[::-1], header.size, what)


def _write_places(writer: BagWriter, calibration: Sequence[MountedSensor], stamp: int) -> None:
    # One message, because a latched topic may keep no more than its last.
    places = [
        transform_message(stamp, BASE_FRAME, sensor.name, sensor.sensor2ego)
        for sensor in calibration
    ]
    writer.write("/tf_static", tf_message(places), stamp)


def _write_measurement(writer: BagWriter, event: SensorEvent, sensor: MountedSensor) -> None:
    stamp, name = event.stamp, sensor.name
    if sensor.intrinsics is None:
        rows = np.ascontiguousarray(event.data, "<f4")
        points = rows.view(NUSCENES_POINT)[:, 0]
        writer.write(f"/{name}", point_cloud_message(stamp, name, points), stamp)
        return
    seen = sensor if event.intrinsics is None else event
    info = camera_info_message(stamp, name, seen.intrinsics, seen.size)
    image = compressed_image_message(stamp, name, event.data, kind_of(event.data))
    writer.write(f"/{name}/camera_info", info, stamp)
    writer.write(f"/{name}/image_rect_compressed", image, stamp)
