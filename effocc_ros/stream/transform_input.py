# SPDX-License-Identifier: Apache-2.0
"""tf messages and odometry into the transform buffer."""

from collections.abc import Iterable
from threading import Lock
from typing import Any

from effocc_ros.errors import InputError
from effocc_ros.stream.complaints import Complaints
from effocc_ros.stream.input_watch import InputWatch
from effocc_ros.stream.sensor_poses import SensorPoses
from effocc_ros.stream.transform import Transform, read_odometry, read_transform
from effocc_ros.stream.transform_buffer import TransformBuffer

SOURCE = "tf"
"""The input under which transforms are counted."""


class TransformInput:
    """Takes transforms from messages of either kind.

    Args:
        transforms: Where they go.
        poses: Knows which of them tell the ego motion.
        inputs: Told of these.
        complaints: Where bad ones are reported.
        lock: Held while the buffer changes.
    """

    def __init__(
        self,
        transforms: TransformBuffer,
        poses: SensorPoses,
        inputs: InputWatch,
        complaints: Complaints,
        lock: Lock,
    ):
        self._transforms, self._poses, self._inputs = transforms, poses, inputs
        self._complaints, self._lock = complaints, lock
        self._received: dict[str, int] = {}

    def add_message(self, message: Any, static: bool, now: float, arrived: float) -> None:
        """Add a tf2_msgs/TFMessage; what is wrong with one transform hurts no other."""
        transforms = []
        for transform in message.transforms:
            try:
                transforms.append(read_transform(transform))
            except InputError as error:
                self._complaints.error(SOURCE, error)
        self._add(transforms, static, now, arrived)

    def add_odometry(self, message: Any, now: float, arrived: float) -> None:
        """Add the pose of a nav_msgs/Odometry."""
        try:
            transform = read_odometry(message)
        except InputError as error:
            self._complaints.error(SOURCE, error)
        else:
            self._add([transform], False, now, arrived)

    def _add(
        self, transforms: Iterable[Transform], static: bool, now: float, arrived: float
    ) -> None:
        errors, remarks, problems = [], [], []
        # All at once: a frame made in between would find half of the sensors.
        with self._lock:
            offset = self._inputs.offset(SOURCE)
            for parent, child, stamp, pose in transforms:
                try:
                    remark = self._transforms.add(parent, child, stamp + offset, pose, static)
                except InputError as error:
                    errors.append(error)
                else:
                    remarks += [] if remark is None else [remark]
            for edge in () if static else self._poses.ego_edges():
                if edge.received != self._received.get(edge.name):
                    self._received[edge.name] = edge.received
                    problems += self._inputs.note_transform(edge.name, edge.newest, now, arrived)
        for error in errors:
            self._complaints.error(SOURCE, error)
        self._complaints.remark(SOURCE, remarks)
        for problem in problems:
            self._complaints.report(problem)
