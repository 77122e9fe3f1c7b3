# SPDX-License-Identifier: Apache-2.0
"""Messages in, Frames out; no ROS in between.

The node and the bag path both add messages with ``add_*``, ask :meth:`Stream.poll` after each
which moments are complete, and turn the ones they want into Frames with :meth:`Stream.assemble`::

    images, clouds --> SensorInput --> Moments --poll--> Trigger --assemble--> Assembler --> Frame
    tf, odometry ----> TransformInput --> TransformBuffer --------------------------^
"""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from effocc_ros.errors import InputError
from effocc_ros.frame import Frame
from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.assembler import Assembler
from effocc_ros.stream.complaints import Complaints
from effocc_ros.stream.config import StreamConfig
from effocc_ros.stream.images import Fallback
from effocc_ros.stream.input_watch import InputWatch
from effocc_ros.stream.moments import Moments
from effocc_ros.stream.report import (
    Problem,
    Remark,
    SensorState,
    StreamStatistics,
    no_image,
    plain,
)
from effocc_ros.stream.sensor_input import SensorInput
from effocc_ros.stream.sensor_poses import SensorPoses
from effocc_ros.stream.shared_topics import SharedTopics
from effocc_ros.stream.sweep_buffer import SweepBuffer
from effocc_ros.stream.transform_buffer import TransformBuffer
from effocc_ros.stream.transform_input import TransformInput
from effocc_ros.stream.trigger import Trigger

TRANSFORM_CACHE = 10.0
"""Seconds of tf history."""


class Stream:
    """Takes sensor messages and makes Frames of them.

    Messages may come from one thread while another polls and assembles. A message that cannot be
    used is reported once, counted, and changes nothing else.

    Args:
        config: Sensors, frames and matching.
        on_problem: Called with each :class:`Problem`, in the thread that met it.
        fallback: Decodes images of encodings that are not known here, as cv_bridge can.
    """

    def __init__(
        self,
        config: StreamConfig,
        on_problem: Callable[[Problem], None] = lambda problem: None,
        fallback: Fallback | None = None,
    ):
        self.config = config
        self._shared = SharedTopics()
        self._complaints = Complaints(on_problem)
        self._lock = threading.Lock()
        self._inputs = InputWatch(config)
        self._transforms = TransformBuffer(TRANSFORM_CACHE, config.max_extrapolation)
        self._sweeps = {name: SweepBuffer(config.sweeps) for name in config.lidars}
        self._assembler = Assembler(config, self._transforms, self._sweeps, fallback)
        self._poses = SensorPoses(self._transforms, self._assembler)
        self._moments = Moments(config, self._inputs, self._poses, self._sweeps)
        shared = self._poses, self._inputs, self._complaints, self._lock
        self._sensors = SensorInput(
            config, self._moments, self._assembler.models, *shared, fallback
        )
        self._tf = TransformInput(self._transforms, *shared)
        self._frames_out = 0
        self._drops: Counter[str] = Counter()
        if config.calibration_remark:
            self.remark("calibration", Remark("unknown_sensors", config.calibration_remark))

    def add_image(
        self, camera: str, message: Any, now: float, arrived: float | None = None
    ) -> bool:
        """Add an Image or CompressedImage; it is decoded only if a Frame uses it.

        Args:
            camera: The camera's name.
            message: sensor_msgs Image or CompressedImage.
            now: Seconds on the caller's clock, by which waits are counted.
            arrived: When it came, seconds; by this the inputs' clocks are compared. None: now.

        Returns:
            False where the message cannot be used.
        """
        return self._sensors.add_image(camera, message, now, now if arrived is None else arrived)

    def add_camera_info(self, camera: str, message: Any) -> None:
        """Add a CameraInfo; it holds from its stamp on, unless a calibration file gives more."""
        self._sensors.add_camera_info(camera, message)

    def add_points(
        self, message: Any, now: float, lidar: str = "", arrived: float | None = None
    ) -> bool:
        """Add a PointCloud2; it makes a Frame where its LiDAR does.

        Args:
            message: sensor_msgs PointCloud2.
            now: Seconds on the caller's clock.
            lidar: Name of the LiDAR; empty: the first one's.
            arrived: As for images.

        Returns:
            False where the message cannot be used.
        """
        lidar, arrived = lidar or self.config.lidar, now if arrived is None else arrived
        return self._sensors.add_points(self._whose(lidar, message), message, now, arrived)

    def add_transforms(
        self,
        message: Any,
        static: bool,
        now: float | None = None,
        arrived: float | None = None,
    ) -> None:
        """Add a TFMessage.

        Args:
            message: tf2_msgs TFMessage.
            static: True for /tf_static.
            now: Seconds on the caller's clock; None: as of the last message of a sensor.
            arrived: As for images.
        """
        now = self._sensors.now if now is None else now
        self._tf.add_message(message, static, now, now if arrived is None else arrived)

    def add_odometry(self, message: Any, now: float, arrived: float | None = None) -> None:
        """Add the pose of a nav_msgs/Odometry, as tf of its frame and child frame would be."""
        self._tf.add_odometry(message, now, now if arrived is None else arrived)

    def topic_sensor(self, name: str) -> str:
        """Return the sensor on whose topic one comes: LiDARs may share the topic of one."""
        return self._shared.topic_of(name)

    @property
    def lidars_without_topic(self) -> tuple[str, ...]:
        """LiDARs that were found on the topic of another one."""
        return self._shared.added

    def refuse(self, source: str, error: InputError) -> None:
        """Report a message that the caller could not decode."""
        self._complaints.error(source, error)

    def remark(self, source: str, remark: Remark) -> None:
        """Report, once, what the caller knows to be odd about an input."""
        self._complaints.remark(source, [remark])

    def poll(self, now: float) -> list[Trigger]:
        """Return the moments that need not wait any longer, oldest first; quick.

        Args:
            now: Seconds on the same clock as the messages'.
        """
        with self._lock:
            triggers, error = self._moments.ready(now)
        if error is not None:
            self._complaints.error("frame", error)
        return triggers

    def flush(self) -> list[Trigger]:
        """Return all moments that still wait: the messages have come to an end."""
        return self.poll(float("inf"))

    def assemble(self, trigger: Trigger) -> Frame | None:
        """Decode and put together what belongs to a trigger; the slow part.

        Returns:
            The Frame, or None where it cannot be made; then the reason was reported and counted.
        """
        problems, frame = self._missing(trigger), None
        try:
            with self._lock:
                for camera, distance in trigger.distances.items():
                    self._inputs.matched(camera, distance)
                scene = self._assembler.locate(trigger, problems.append, self._inputs.silent)
                problems += self._poses.told(scene.ego_lost)
            frame = self._assembler.build(scene, problems.append)
        except InputError as error:
            self.drop(trigger, error.reason)
            problems.append(Problem.of("frame", error))
        for problem in problems:
            self._complaints.report(problem)
        with self._lock:
            self._frames_out += frame is not None
        return frame

    def sent_stamp(self, trigger: Trigger) -> int:
        """Return the stamp that a trigger's message came with, without the clock's offset."""
        return trigger.stamp - self._inputs.offset(trigger.sensor)

    def drop(self, trigger: Trigger, reason: str) -> None:
        """Count a trigger that the caller does not want, or could not finish."""
        with self._lock:
            self._drops[reason] += 1

    def statistics(self, now: float | None = None) -> StreamStatistics:
        """Return the counts as they are now.

        Args:
            now: Seconds on the same clock as the messages'; None: rates as of the last message.
        """
        rejected, noted = self._complaints.counts()
        with self._lock:
            moments, waiting = self._moments, self._moments.waiting
            return StreamStatistics(
                inputs=self._inputs.statistics(now),
                frames_in=moments.taken_in,
                frames_out=self._frames_out,
                drops=plain(self._drops + moments.drops),
                rejected=rejected,
                noted=noted,
                waiting=len(waiting),
                waiting_since=waiting[0].arrival if waiting else 0.0,
                waiting_for=moments.waiting_for,
                reference_period=moments.period,
                reference=moments.reference,
                silent=self._inputs.silent,
                ego_motion=self._poses.ego_motion,
            )

    @property
    def reference(self) -> str:
        """The sensor whose messages make the frames now."""
        return self._moments.reference

    def sensor_state(self, sensor: str) -> SensorState:
        """Return what is known of a camera or LiDAR."""
        with self._lock:
            return SensorState(self._poses.calibrated(sensor), self._poses.mounted(sensor))

    def localised(self) -> bool | None:
        """Return whether tf tells the ego motion; None where the vehicle has no fixed frame."""
        with self._lock:
            return self._poses.localised()

    def reconfigure(self, config: StreamConfig) -> int:
        """Make frames of other sensors from now on; what has come in stays, and so do the counts.

        Args:
            config: What changes: cameras and offsets, anchor, sweeps.

        Returns:
            The newest stamp that waited and was dropped, because another sensor makes the frames
            now, as it came; 0 if none was.
        """
        with self._lock:
            offset = self._inputs.offset(self._moments.reference)
            self.config = config
            dropped = self._use(self._shared.expanded(config))
        return dropped and dropped - offset

    def _use(self, config: StreamConfig) -> int:
        self._assembler.config = config
        self._inputs.reconfigure(config)
        self._sensors.reconfigure(config)
        for lidar in config.lidars:
            self._sweeps.setdefault(lidar, SweepBuffer(config.sweeps))
            self._sweeps[lidar].reconfigure(config.sweeps)
        return self._moments.reconfigure(config)

    def _placed(self, frame_id: str) -> bool:
        return self._transforms.connected(self.config.base_frame, frame_id)

    def _whose(self, lidar: str, message: Any) -> str:
        """Return the LiDAR that a sweep is of, where several publish on one topic."""
        header, known = message.header, self._sweeps
        stamp = int(header.stamp.sec) * NANOSECONDS + int(header.stamp.nanosec)
        with self._lock:
            period = self._inputs.silence.period(lidar)
            frame_id = header.frame_id.lstrip("/")
            name = self._shared.name_of(lidar, frame_id, stamp, period, self._placed)
            config = self._shared.expanded(self.config)
            new = not known.keys() >= set(config.lidars)
            if new:
                self._use(config)
        if new:
            self._complaints.remark(lidar, [self._shared.remark(lidar)])
        return name

    def _missing(self, trigger: Trigger) -> list[Problem]:
        """Return what to say of cameras without an image; a silent one has been told."""
        problems = []
        for camera, distance in trigger.missing.items():
            if camera in self._inputs.silent:
                self._complaints.count(camera, "no_image")
            else:
                tolerance = self._moments.tolerance(camera)
                problems.append(no_image(camera, trigger.stamp, distance, tolerance))
        return problems
