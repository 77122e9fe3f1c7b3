# SPDX-License-Identifier: Apache-2.0
"""What is known so far of where the sensors and the vehicle are."""

from collections.abc import Callable

from effocc_ros.errors import InputError
from effocc_ros.stream.assembler import Assembler
from effocc_ros.stream.config import StreamConfig
from effocc_ros.stream.report import Problem
from effocc_ros.stream.transform_buffer import TransformBuffer
from effocc_ros.stream.transform_edge import TransformEdge
from effocc_ros.stream.trigger import Readiness, Trigger


class SensorPoses:
    """Says which sensors can be used, and whether a moment's poses have come.

    Args:
        transforms: Poses over time.
        assembler: Knows the cameras' intrinsics and the stream's config.

    Attributes:
        ego_motion: Whether the last frame knew the ego motion; None before the first.
    """

    def __init__(self, transforms: TransformBuffer, assembler: Assembler):
        self._transforms, self._assembler = transforms, assembler
        self._frames: dict[str, str] = {}
        self.ego_motion: bool | None = None

    @property
    def _config(self) -> StreamConfig:
        return self._assembler.config

    def note_frame(self, sensor: str, frame_id: str) -> None:
        """Note the tf frame of a sensor whose pose no file tells."""
        if frame_id and not self._filed(sensor):
            self._frames[sensor] = frame_id

    def calibrated(self, sensor: str) -> bool:
        """Return whether a camera's intrinsics are known; a LiDAR needs none."""
        return sensor in self._config.lidars or self._assembler.has_model(sensor)

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

    def obstacle(self, stamp: int) -> InputError | None:
        """Return why the ego pose at a stamp cannot be known, None where it can."""
        return self._assembler.obstacle(stamp)

    def told(self, lost: InputError | None) -> list[Problem]:
        """Note whether a frame knew the ego motion; return what to say where that has changed.

        Args:
            lost: Why the ego pose was not known, None where it was.
        """
        known, before = lost is None, self.ego_motion
        if not self._config.fixed_frame:
            return []
        self.ego_motion = known
        if known == (before is not False):
            return []
        if known:
            text = "tf: the ego motion is known again."
            return [Problem("tf", "ego_motion_back", text, noted=True)]
        text = (
            f"{lost} Frames are made as if the vehicle stood still, of one sweep, until the ego "
            "motion is known."
        )
        return [Problem("tf", "no_ego_motion", text, noted=True)]

    def ego_edges(self) -> list[TransformEdge]:
        """Return the transforms that tell the ego motion."""
        fixed, base = self._config.fixed_frame, self._config.base_frame
        return self._transforms.moving(fixed, base) if fixed else []

    def readiness(
        self, trigger: Trigger, hopeless: Callable[[str], bool], late: Callable[[str], bool]
    ) -> Readiness:
        """Return whether all that is published of the sensors and of a moment's pose has come.

        Args:
            trigger: The moment.
            hopeless: Whether a transform, by its name, is silent or of another clock.
            late: Whether its next message is not worth waiting for, where one can do without.
        """
        config, transforms = self._config, self._transforms
        # At the start the first sweep may overtake tf_static and CameraInfo on the way.
        known = all(
            self.mounted(name) and self.calibrated(name)
            for name in {*config.sync.cameras, trigger.sensor}
            if name in self._frames
        )
        fixed, base = config.fixed_frame, config.base_frame
        missed = fixed and not transforms.covers(fixed, base, trigger.newest)
        if missed and self._worth_waiting(hopeless):
            if transforms.too_early(fixed, base, trigger.stamp):
                return Readiness.TOO_EARLY
            reached = not transforms.too_early(fixed, base, trigger.newest)
            if not (reached and any(late(edge.name) for edge in self.ego_edges())):
                return Readiness.INCOMPLETE
        return Readiness.COMPLETE if known else Readiness.INCOMPLETE

    def _worth_waiting(self, hopeless: Callable[[str], bool]) -> bool:
        """Return whether the ego pose may still come: not without tf, once that is known."""
        edges = self.ego_edges()
        if not edges:
            return self.localised() or self.ego_motion is not False
        return not any(hopeless(edge.name) for edge in edges)

    def _filed(self, sensor: str) -> bool:
        filed = self._config.calibration.get(sensor)
        return filed is not None and filed.sensor2base is not None
