# SPDX-License-Identifier: Apache-2.0
"""Messages of cameras and LiDARs: checked on arrival, watched, and handed on."""

from threading import Lock
from typing import Any

from effocc_ros.errors import InputError
from effocc_ros.stream.camera_history import CameraModels
from effocc_ros.stream.clouds import CloudReader
from effocc_ros.stream.complaints import Complaints
from effocc_ros.stream.config import StreamConfig
from effocc_ros.stream.headers import no_frame_id
from effocc_ros.stream.images import Fallback, check_image, image_size, is_compressed
from effocc_ros.stream.input_watch import InputWatch
from effocc_ros.stream.moments import Moments
from effocc_ros.stream.report import Problem, Remark
from effocc_ros.stream.sensor_poses import SensorPoses
from effocc_ros.stream.sweep_buffer import RawSweep
from effocc_ros.stream.trigger import DUPLICATE, OUT_OF_ORDER, REPEATED

IGNORED = {
    DUPLICATE: "{}: found a message that came before; expected each once. It is ignored. Look for "
    "a second publisher, a relay, or a bag recorded twice.",
    REPEATED: "{}: found other data under a stamp that came before; expected a stamp of its own "
    "for each message. It is ignored. Look for a second sensor on the topic, a clock that was set "
    "back, or a driver that sends a sweep in parts.",
    OUT_OF_ORDER: "{}: found a message older than the one before it; expected stamps that rise. "
    "It makes no frame. Look at the transport, for a second publisher, or for a clock that was "
    "set back.",
}
"""What to say, once, of messages that make no frame."""


class SensorInput:
    """Takes the sensors' messages.

    Args:
        config: Sensors; may be replaced between two messages.
        moments: Where usable messages go.
        models: Where CameraInfo goes.
        poses: Told of the sensors' tf frames.
        inputs: Told of every message.
        complaints: Where bad messages are reported.
        lock: Held while these change.
        fallback: Decodes images of encodings that are not known here.

    Attributes:
        now: When the last message came, seconds on the caller's clock.
    """

    def __init__(
        self,
        config: StreamConfig,
        moments: Moments,
        models: CameraModels,
        poses: SensorPoses,
        inputs: InputWatch,
        complaints: Complaints,
        lock: Lock,
        fallback: Fallback | None,
    ):
        self._moments, self._models, self._poses = moments, models, poses
        self._inputs, self._complaints, self._lock = inputs, complaints, lock
        self._fallback = fallback
        self._clouds: dict[str, CloudReader] = {}
        self.now = 0.0
        self.reconfigure(config)

    def reconfigure(self, config: StreamConfig) -> None:
        """Take the messages of other sensors from now on."""
        self._config = config
        for lidar in config.lidars:
            self._clouds.setdefault(lidar, CloudReader(lidar, config.intensity_scale))

    def add_image(self, camera: str, message: Any, now: float, arrived: float) -> bool:
        """Add an Image or CompressedImage; return whether it can be used."""
        try:
            stamp = self._inputs.stamp_of(message, camera)
            remarks = [*check_image(message, camera, self._fallback)]
        except InputError as error:
            self._complaints.error(camera, error)
            return False
        facts = {
            "encoding": message.format if is_compressed(message) else message.encoding,
            "image_size": image_size(message),
        }
        ignored, problems = "", []
        with self._lock:
            remarks += self._inputs.note_facts(camera, message, **facts)
            if camera in self._config.sync.cameras:  # else the model has no place for it
                problems = self._note(camera, stamp, message, now, arrived)
                ignored = self._moments.add_image(camera, stamp, message, now)
        self._say(camera, remarks, problems, ignored)
        return True

    def add_camera_info(self, camera: str, message: Any) -> None:
        """Add a CameraInfo, unless a calibration file says more."""
        filed = self._config.calibration.get(camera)
        if filed is not None and filed.intrinsics is not None:
            return
        try:
            with self._lock:
                rectified = self._config.is_rectified(camera)
                offset = self._inputs.offset(camera)
                model = self._models.add(camera, message, rectified, offset)
                said = [] if model is None else self._inputs.note_calibration(camera, message)
        except InputError as error:
            self._complaints.error(camera, error)
            return
        if model is not None:
            self._complaints.remark(camera, [*model.remarks, *said])

    def add_points(self, lidar: str, message: Any, now: float, arrived: float) -> bool:
        """Add a PointCloud2; return whether it can be used."""
        config = self._config
        try:
            stamp = self._inputs.stamp_of(message, lidar)
            frame_id = message.header.frame_id.lstrip("/")
            filed = config.calibration.get(lidar)
            if not frame_id and (filed is None or filed.sensor2base is None):
                raise no_frame_id(lidar)
            cloud = self._clouds[lidar].read(message, config.learn_intensity, config.elongation)
        except InputError as error:
            self._complaints.error(lidar, error)
            return False
        with self._lock:
            remarks = [*cloud.remarks, *self._inputs.note_facts(lidar, message)]
            problems = self._note(lidar, stamp, message, now, arrived)
            sweep = RawSweep(stamp, frame_id, cloud.points)
            ignored = self._moments.add_sweep(lidar, sweep, now)
        self._say(lidar, remarks, problems, ignored)
        return True

    def _note(
        self, sensor: str, stamp: int, message: Any, now: float, arrived: float
    ) -> list[Problem]:
        self.now = now
        self._poses.note_frame(sensor, message.header.frame_id.lstrip("/"))
        return self._inputs.note(sensor, stamp, now, arrived)

    def _say(
        self, sensor: str, remarks: list[Remark], problems: list[Problem], ignored: str
    ) -> None:
        """Say what was odd about a message, and who fell silent or came back by then."""
        if ignored:
            self._complaints.report(
                Problem(sensor, ignored, IGNORED[ignored].format(sensor), True)
            )
        with self._lock:
            problems += self._moments.take_problems()
        self._complaints.remark(sensor, remarks)
        for problem in problems:
            self._complaints.report(problem)
