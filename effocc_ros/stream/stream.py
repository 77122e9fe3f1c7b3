"""Messages in, Frames out; no ROS in between.

The node and the bag path both add messages with ``add_*``, ask :meth:`Stream.poll` after each
which moments are complete, and turn the ones they want into Frames with :meth:`Stream.assemble`.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from effocc_ros.errors import InputError
from effocc_ros.frame import Frame
from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.assembler import Assembler
from effocc_ros.stream.changes import ChangeWatch
from effocc_ros.stream.clouds import CloudReader
from effocc_ros.stream.config import StreamConfig
from effocc_ros.stream.headers import no_frame_id, stamp_of
from effocc_ros.stream.images import Fallback, check_image, image_size, is_compressed
from effocc_ros.stream.report import (
    InputCounter,
    Problem,
    Remark,
    SensorState,
    StreamStatistics,
    plain,
)
from effocc_ros.stream.sensor_poses import SensorPoses
from effocc_ros.stream.sweep_buffer import RawSweep, SweepBuffer
from effocc_ros.stream.synchronizer import Synchronizer, Trigger
from effocc_ros.stream.transform_buffer import TransformBuffer, read_transform

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
        self._on_problem, self._fallback = on_problem, fallback
        self._lock = threading.Lock()
        self._synchronizer = Synchronizer(config.matching)
        self._transforms = TransformBuffer(TRANSFORM_CACHE, config.max_extrapolation)
        self._sweeps = SweepBuffer(config.sweeps)
        self._clouds = CloudReader(config.lidar, config.intensity_scale)
        self._changes = ChangeWatch()
        self._told: set[tuple[str, str]] = set()
        self._assembler = Assembler(config, self._transforms, self._sweeps, fallback)
        names = (*config.sync.cameras, config.lidar)
        self._inputs = {name: InputCounter() for name in names}
        self._poses = SensorPoses(self._transforms, self._assembler)
        self._frames_out = self._transforms_in = 0
        self._drops: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._noted: Counter[str] = Counter()

    def add_image(self, camera: str, message: Any, now: float) -> bool:
        """Add an Image or CompressedImage; it is decoded only if a Frame uses it.

        Args:
            camera: The camera's name.
            message: sensor_msgs Image or CompressedImage.
            now: Seconds on the caller's clock.

        Returns:
            False where the message cannot be used.
        """
        try:
            stamp = stamp_of(message, camera)
            remarks = check_image(message, camera, self._fallback)
        except InputError as error:
            self._report(Problem.of(camera, error))
            return False
        self._remark(camera, remarks)
        encoding = message.format if is_compressed(message) else message.encoding
        self._watch(camera, message, encoding=encoding, image_size=image_size(message))
        with self._lock:
            if camera not in self.config.sync.cameras:
                return True  # the model has no place for it
            self._inputs[camera].count(stamp, now)
            self._poses.note_frame(camera, message.header.frame_id.lstrip("/"))
            added = self._synchronizer.add_image(camera, stamp, message)
            if camera == self.config.anchor:
                self._add_reference(camera, stamp, None, now)
            elif not added:
                self._rejected[f"{camera}.duplicate_stamp"] += 1
        return True

    def add_camera_info(self, camera: str, message: Any) -> None:
        """Add a CameraInfo; it holds from its stamp on, unless a calibration file gives more."""
        filed = self.config.calibration.get(camera)
        if filed is not None and filed.intrinsics is not None:
            return
        try:
            with self._lock:
                rectified = self.config.is_rectified(camera)
                model = self._assembler.models.add(camera, message, rectified)
        except InputError as error:
            self._report(Problem.of(camera, error))
            return
        if model is not None:
            self._remark(camera, model.remarks)

    def add_points(self, message: Any, now: float) -> bool:
        """Add a PointCloud2; it makes a Frame unless an anchor camera does.

        Args:
            message: sensor_msgs PointCloud2.
            now: Seconds on the caller's clock.

        Returns:
            False where the message cannot be used.
        """
        lidar = self.config.lidar
        try:
            stamp = stamp_of(message, lidar)
            frame_id = message.header.frame_id.lstrip("/")
            filed = self.config.calibration.get(lidar)
            if not frame_id and (filed is None or filed.sensor2base is None):
                raise no_frame_id(lidar)
            cloud = self._clouds.read(message, self.config.learn_intensity)
        except InputError as error:
            self._report(Problem.of(lidar, error))
            return False
        self._remark(lidar, cloud.remarks)
        self._watch(lidar, message)
        sweep = RawSweep(stamp, frame_id, cloud.points)
        with self._lock:
            self._inputs[lidar].count(stamp, now)
            self._poses.note_frame(lidar, frame_id)
            self._sweeps.add(sweep)
            if not self.config.anchor:
                self._add_reference(lidar, stamp, sweep, now)
        return True

    def add_transforms(self, message: Any, static: bool) -> None:
        """Add a TFMessage.

        Args:
            message: tf2_msgs TFMessage.
            static: True for /tf_static.
        """
        transforms, errors = [], []
        for transform in message.transforms:
            try:
                transforms.append(read_transform(transform))
            except InputError as error:
                errors.append(error)
        # All at once: a frame made in between would find half of the sensors.
        with self._lock:
            self._transforms_in += len(transforms)
            for transform in transforms:
                try:
                    self._transforms.add(*transform, static)
                except InputError as error:
                    errors.append(error)
        for error in errors:
            self._report(Problem.of("tf", error))

    def poll(self, now: float) -> list[Trigger]:
        """Return the moments that need not wait any longer, oldest first; quick.

        Args:
            now: Seconds on the same clock as the messages'.
        """
        with self._lock:
            if not self._synchronizer.waiting:
                return []
            triggers = self._synchronizer.ready(now, self._poses.readiness)
            lost, self._synchronizer.without_tf = self._synchronizer.without_tf, None
            error = None if lost is None else self._assembler.obstacle(lost)
        if error is not None:
            self._report(Problem.of("frame", error))
        return triggers

    def flush(self) -> list[Trigger]:
        """Return all moments that still wait: the messages have come to an end."""
        return self.poll(float("inf"))

    def assemble(self, trigger: Trigger) -> Frame | None:
        """Decode and put together what belongs to a trigger; the slow part.

        Returns:
            The Frame, or None where it cannot be made; then the reason was reported and counted.
        """
        problems = [self._no_image(camera, trigger) for camera in trigger.missing]
        with self._lock:
            for camera, distance in trigger.distances.items():
                self._inputs[camera].matched(distance)
        frame = None
        try:
            with self._lock:
                scene = self._assembler.locate(trigger, problems.append)
            frame = self._assembler.build(scene, problems.append)
        except InputError as error:
            self.drop(trigger, error.reason)
            problems.append(Problem.of("frame", error))
        for problem in problems:
            self._report(problem)
        with self._lock:
            self._frames_out += frame is not None
        return frame

    def drop(self, trigger: Trigger, reason: str) -> None:
        """Count a trigger that the caller does not want, or could not finish."""
        with self._lock:
            self._drops[reason] += 1

    def statistics(self, now: float | None = None) -> StreamStatistics:
        """Return the counts as they are now.

        Args:
            now: Seconds on the same clock as the messages'; None: rates as of the last message.
        """
        with self._lock:
            waiting = self._synchronizer.waiting
            return StreamStatistics(
                inputs={name: each.statistics(now) for name, each in self._inputs.items()},
                frames_in=self._synchronizer.taken_in,
                frames_out=self._frames_out,
                drops=plain(self._drops + self._synchronizer.drops),
                rejected=plain(self._rejected),
                noted=plain(self._noted),
                waiting=len(waiting),
                waiting_since=waiting[0].arrival if waiting else 0.0,
                waiting_for_tf=bool(waiting) and waiting[0].trigger is not None,
                reference_period=self._synchronizer.period / NANOSECONDS,
            )

    def sensor_state(self, sensor: str) -> SensorState:
        """Return what is known of a camera or LiDAR."""
        with self._lock:
            return SensorState(self._poses.calibrated(sensor), self._poses.mounted(sensor))

    def localised(self) -> bool | None:
        """Return whether tf tells the ego motion; None where the vehicle has no fixed frame."""
        with self._lock:
            return self._poses.localised()

    @property
    def transforms_in(self) -> int:
        """Transforms that have come, static ones included."""
        return self._transforms_in

    def reconfigure(self, config: StreamConfig) -> int:
        """Make frames of other sensors from now on; what has come in stays, and so do the counts.

        Args:
            config: What changes: cameras and offsets, anchor, sweeps.

        Returns:
            The newest stamp that waited and was dropped, because another sensor makes the frames
            now; 0 if none was.
        """
        with self._lock:
            other_reference = config.anchor != self.config.anchor
            self.config = self._assembler.config = config
            self._synchronizer.reconfigure(config.matching)
            self._sweeps.reconfigure(config.sweeps)
            for name in (*config.sync.cameras, config.lidar):
                self._inputs.setdefault(name, InputCounter())
            if not other_reference:
                return 0
            dropped = self._synchronizer.change_reference()
            self._catch_up()
            return dropped

    def _catch_up(self) -> None:
        """Let the sensor that now makes the frames make one of what it sent a moment ago.

        Its newest message may belong to a moment that the sensor before it has not told yet, and
        from now on will not tell.
        """
        anchor = self.config.anchor
        sweep = None if anchor else self._sweeps.newest()
        stamp = self._synchronizer.newest_image(anchor) if anchor else sweep and sweep.stamp
        if stamp and 0 < self._synchronizer.newest < stamp:
            arrival = self._inputs[anchor or self.config.lidar].statistics().last_arrival
            self._synchronizer.add_reference(stamp, sweep, arrival)

    def _add_reference(self, sensor: str, stamp: int, reference: Any, now: float) -> None:
        stale = self._synchronizer.stale(stamp)
        if stale:
            self._rejected[f"{sensor}.{stale}"] += 1
        else:
            self._synchronizer.add_reference(stamp, reference, now)

    def _no_image(self, camera: str, trigger: Trigger) -> Problem:
        distance = trigger.missing[camera]
        found = "none" if distance is None else f"the nearest {distance / NANOSECONDS:.3f} s away"
        text = (
            f"images of {camera}: found {found} at {trigger.stamp / NANOSECONDS:.3f} s; expected "
            f"one within {self._synchronizer.tolerance(camera):.3g} s. The frame is made without "
            "this camera; check its topic, its QoS and its clock."
        )
        return Problem(camera, "no_image", text)

    def _watch(self, source: str, message: Any, **facts: object) -> None:
        """Remark on what a sensor should not change from message to message."""
        if message.header.frame_id:
            facts["frame_id"] = message.header.frame_id
        with self._lock:
            changes = self._changes.note(source, **facts)
        self._remark(source, changes)

    def _remark(self, source: str, remarks: Iterable[Remark]) -> None:
        for remark in remarks:
            self._report(Problem.of_remark(source, remark))

    def _report(self, problem: Problem) -> None:
        key = problem.source, problem.reason
        with self._lock:
            counts = self._noted if problem.once else self._rejected
            counts[f"{problem.source}.{problem.reason}"] += 1
            if problem.once and key in self._told:
                return
            self._told.add(key)
        self._on_problem(problem)
