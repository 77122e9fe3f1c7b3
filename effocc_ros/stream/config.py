# SPDX-License-Identifier: Apache-2.0
"""How a stream of messages becomes Frames."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from effocc_ros.calibration import SensorCalibration, load_calibration, strangers
from effocc_ros.networks.config import ModelConfig
from effocc_ros.stream.sync_config import SyncConfig

INTENSITY, ELONGATION = 3, 4
"""Columns of a cloud's points."""


@dataclass(frozen=True)
class StreamConfig:
    """Settings of a :class:`~effocc_ros.stream.stream.Stream`.

    Attributes:
        sync: Cameras and how their images are matched.
        lidar: Name of the LiDAR.
        other_lidars: LiDARs whose sweeps are added to those of the first.
        anchor: Camera whose images make the frames; empty: the LiDAR's sweeps make them.
        base_frame: tf frame of the vehicle, the ego frame of all Frames.
        fixed_frame: tf frame that does not move with the vehicle; empty: ego motion is unknown,
            and earlier sweeps are not used.
        sweeps: Earlier sweeps per frame.
        max_extrapolation: Seconds beyond the known ego poses, at most.
        intensity_scale: Factor that brings the LiDAR's intensity to 0..255.
        learn_intensity: Whether a factor of 1 is learned from the values. Networks that squash
            intensity themselves (Waymo's) want it as the sensor gives it.
        elongation: Whether the network takes the LiDAR's elongation as a fifth column in place of
            the time lag, as Waymo's do.
        standby: Sensors that make the frames while the anchor, or the LiDAR, is silent, in order.
        look_back: Whether a sensor that takes over also makes the frames of what it sent before it
            was known that the other is silent: for recordings, of which nothing is late.
        clock_offsets: Sensor name, or ``tf`` -> seconds that are added to its stamps.
        calibration: Sensor name -> what a file says of it; it takes precedence over CameraInfo
            and tf.
        rectified: Cameras whose images are rectified already, by the names of their topics.
        calibration_remark: What is odd about the calibration file; empty: nothing.
    """

    sync: SyncConfig
    lidar: str = "LIDAR_TOP"
    other_lidars: tuple[str, ...] = ()
    anchor: str = ""
    base_frame: str = "base_link"
    fixed_frame: str = "map"
    sweeps: int = 9
    max_extrapolation: float = 0.1
    intensity_scale: float = 1.0
    learn_intensity: bool = True
    elongation: bool = False
    standby: tuple[str, ...] = ()
    look_back: bool = False
    clock_offsets: Mapping[str, float] = field(default_factory=dict)
    calibration: Mapping[str, SensorCalibration] = field(default_factory=dict)
    rectified: frozenset[str] = frozenset()
    calibration_remark: str = ""

    def is_rectified(self, camera: str) -> bool:
        """Return whether a camera's images are rectified already."""
        filed = self.calibration.get(camera)
        if filed is not None and filed.rectified is not None:
            return filed.rectified
        return camera in self.rectified

    @property
    def lidars(self) -> tuple[str, ...]:
        """Every LiDAR, the one whose sweeps make the frames first."""
        return (self.lidar, *self.other_lidars)

    @property
    def references(self) -> tuple[str, ...]:
        """Sensors that may make the frames, the preferred one first."""
        return (self.anchor or self.lidar, *self.standby)


def stream_config(
    model: ModelConfig,
    sync: SyncConfig,
    lidars: Sequence[str],
    anchor: str,
    first_camera: str,
    calibration: str | Path | None,
    sensors: Collection[str],
    **others: Any,
) -> StreamConfig:
    """Return the config of a stream that feeds a network.

    Args:
        model: The network.
        sync: Cameras and how their images are matched.
        lidars: Names of the LiDARs that are used, the one that shall make the frames first.
        anchor: Camera that makes the frames; empty: the LiDAR makes them.
        first_camera: The camera that is preferred while whatever makes the frames is silent.
        calibration: A calibration file, if there is one.
        sensors: Names of all sensors of the vehicle, which such a file may be about.
        others: Fields of the config that follow neither from the network nor from these.

    Raises:
        InputError: The calibration file is bad.
    """
    cameras = sorted(sync.cameras, key=lambda name: name != first_camera)
    usable = (
        *(() if model.modality == "vision" else lidars),
        # A grid in the LiDAR's frame needs the LiDAR.
        *(() if "lidar" in (model.modality, model.frame) else cameras),
    )
    filed = load_calibration(calibration) if calibration else {}
    preferred = anchor or next(iter(lidars), "")
    fields = {
        "sweeps": model.sweeps,
        **others,
        "standby": tuple(name for name in usable if name != preferred),
        "learn_intensity": INTENSITY not in model.tanh_columns,
        "elongation": ELONGATION in model.tanh_columns,
        "calibration": filed,
        "calibration_remark": strangers(calibration, filed, sensors) if filed else "",
    }
    if lidars:
        fields |= {"lidar": lidars[0], "other_lidars": tuple(lidars[1:])}
    return StreamConfig(sync=sync, anchor=anchor, **fields)


def rectified_cameras(topics: Mapping[str, str]) -> frozenset[str]:
    """Return the cameras whose topics are called rectified, as image_proc calls its own.

    Args:
        topics: Camera -> topic of its images.
    """
    pattern = re.compile(r"(^|[/_])(rect(ified)?|undist(orted)?)([/_]|$)")
    return frozenset(camera for camera, topic in topics.items() if pattern.search(topic.lower()))
