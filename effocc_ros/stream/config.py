"""How a stream of messages becomes Frames."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from effocc_ros.calibration import SensorCalibration
from effocc_ros.stream.synchronizer import SyncConfig

INTENSITY = 3
"""Column of a cloud's points."""


@dataclass(frozen=True)
class StreamConfig:
    """Settings of a :class:`~effocc_ros.stream.stream.Stream`.

    Attributes:
        sync: Cameras and how their images are matched.
        lidar: Name of the LiDAR.
        anchor: Camera whose images make the frames; empty: the LiDAR's sweeps make them.
        base_frame: tf frame of the vehicle, the ego frame of all Frames.
        fixed_frame: tf frame that does not move with the vehicle; empty: ego motion is unknown,
            and earlier sweeps are not used.
        sweeps: Earlier sweeps per frame.
        max_extrapolation: Seconds beyond the known ego poses, at most.
        intensity_scale: Factor that brings the LiDAR's intensity to 0..255.
        learn_intensity: Whether a factor of 1 is learned from the values. Networks that squash
            intensity themselves (Waymo's) want it as the sensor gives it.
        calibration: Sensor name -> what a file says of it; it takes precedence over CameraInfo
            and tf.
        rectified: Cameras whose images are rectified already, by the names of their topics.
    """

    sync: SyncConfig
    lidar: str = "LIDAR_TOP"
    anchor: str = ""
    base_frame: str = "base_link"
    fixed_frame: str = "map"
    sweeps: int = 9
    max_extrapolation: float = 0.1
    intensity_scale: float = 1.0
    learn_intensity: bool = True
    calibration: Mapping[str, SensorCalibration] = field(default_factory=dict)
    rectified: frozenset[str] = frozenset()

    def is_rectified(self, camera: str) -> bool:
        """Return whether a camera's images are rectified already."""
        filed = self.calibration.get(camera)
        if filed is not None and filed.rectified is not None:
            return filed.rectified
        return camera in self.rectified

    @property
    def matching(self) -> SyncConfig:
        """How images are matched, with offsets from the sensor that makes the frames."""
        if not self.anchor:
            return self.sync
        offsets = {name: self.sync.offsets.get(name, 0.0) for name in self.sync.cameras}
        start = offsets.get(self.anchor, 0.0)
        relative = {name: offset - start for name, offset in offsets.items()}
        return replace(self.sync, offsets=relative)


def rectified_cameras(topics: Mapping[str, str]) -> frozenset[str]:
    """Return the cameras whose topics are called rectified, as image_proc calls its own.

    Args:
        topics: Camera -> topic of its images.
    """
    pattern = re.compile(r"(^|[/_])(rect(ified)?|undist(orted)?)([/_]|$)")
    return frozenset(camera for camera, topic in topics.items() if pattern.search(topic.lower()))
