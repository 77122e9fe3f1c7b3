"""What is known so far of where the sensors and the vehicle are."""

from effocc_ros.stream.assembler import Assembler
from effocc_ros.stream.config import StreamConfig
from effocc_ros.stream.synchronizer import Readiness, Trigger
from effocc_ros.stream.transform_buffer import TransformBuffer


class SensorPoses:
    """Says which sensors can be used, and whether a moment's poses have come.

    Args:
        transforms: Poses over time.
        assembler: Knows the cameras' intrinsics and the stream's config.
    """

    def __init__(self, transforms: TransformBuffer, assembler: Assembler):
        self._transforms, self._assembler = transforms, assembler
        self._frames: dict[str, str] = {}

    @property
    def _config(self) -> StreamConfig:
        return self._assembler.config

    def note_frame(self, sensor: str, frame_id: str) -> None:
        """Note the tf frame of a sensor whose pose no file tells."""
        if frame_id and not self._filed(sensor):
            self._frames[sensor] = frame_id

    def calibrated(self, sensor: str) -> bool:
        """Return whether a camera's intrinsics are known; a LiDAR needs none."""
        return sensor == self._config.lidar or self._assembler.has_model(sensor)

    def mounted(self, sensor: str) -> bool | None:
        """Return whether a sensor's pose on the vehicle is known; None before its messages."""
        if self._filed(sensor):
            return True
        if sensor not in self._frames:
            return None
        return self._transforms.connected(self._config.base_frame, self._frames[sensor])

    def localised(self) -> bool | None:
        """Return whether tf tells the ego motion; None where the vehicle has no fixed frame."""
        fixed, base = self._config.fixed_frame, self._config.base_frame
        return self._transforms.connected(fixed, base) if fixed else None

    def readiness(self, trigger: Trigger) -> Readiness:
        """Return whether all that is published of the sensors and of a moment's pose has come."""
        config, transforms = self._config, self._transforms
        sensors = config.sync.cameras if config.anchor else (*config.sync.cameras, config.lidar)
        # At the start the first sweep may overtake tf_static and CameraInfo on the way.
        known = all(
            self.mounted(name) and self.calibrated(name)
            for name in sensors
            if name in self._frames
        )
        fixed, base = config.fixed_frame, config.base_frame
        if known and (not fixed or transforms.covers(fixed, base, trigger.newest)):
            return Readiness.COMPLETE
        if fixed and transforms.too_early(fixed, base, trigger.stamp):
            return Readiness.TOO_EARLY
        return Readiness.INCOMPLETE

    def _filed(self, sensor: str) -> bool:
        filed = self._config.calibration.get(sensor)
        return filed is not None and filed.sensor2base is not None
