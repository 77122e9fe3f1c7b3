# SPDX-License-Identifier: Apache-2.0
"""From sensor messages to moments: what makes one, and what it waits for."""

from typing import Any

from effocc_ros.errors import InputError
from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.config import StreamConfig
from effocc_ros.stream.input_watch import InputWatch
from effocc_ros.stream.reference import ReferenceChoice
from effocc_ros.stream.report import Problem
from effocc_ros.stream.sensor_poses import SensorPoses
from effocc_ros.stream.sweep_buffer import RawSweep, SweepBuffer
from effocc_ros.stream.synchronizer import Synchronizer, Waiting
from effocc_ros.stream.trigger import JUMP_BACK, OUT_OF_ORDER, Readiness, Trigger

NEXT_SWEEP = 0.9
"""Periods after its last sweep at which another LiDAR's next one is expected."""

SAME_MOMENT = 0.6
"""Periods within which two sensors' messages are taken to be of one moment."""


class Moments:
    """Makes triggers of messages.

    Args:
        config: Sensors and matching.
        inputs: Told of every message before it comes here.
        poses: What is known of where sensors and vehicle are.
        sweeps: LiDAR -> its sweeps.
    """

    def __init__(
        self,
        config: StreamConfig,
        inputs: InputWatch,
        poses: SensorPoses,
        sweeps: dict[str, SweepBuffer],
    ):
        self._config, self._inputs, self._poses, self._sweeps = config, inputs, poses, sweeps
        self._choice = ReferenceChoice(config.references, inputs.useless)
        self._synchronizer = Synchronizer(config.sync)
        self._problems: list[Problem] = []
        self._awaited = ""

    @property
    def waiting_for(self) -> str:
        """What the oldest of those that wait lacks: ``images``, ``tf`` or ``sweeps of NAME``."""
        if not self.waiting:
            return ""
        return "images" if self.waiting[0].trigger is None else self._awaited

    @property
    def reference(self) -> str:
        """The sensor whose messages make the frames now."""
        return self._choice.sensor

    @property
    def period(self) -> float:
        """Seconds between the last two of its stamps; 0 if unknown."""
        return self._synchronizer.period / NANOSECONDS

    @property
    def taken_in(self) -> int:
        """Reference messages that were to become a frame."""
        return self._synchronizer.taken_in

    @property
    def drops(self) -> dict[str, int]:
        """Reason -> how many of them were given up."""
        return self._synchronizer.drops

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """Those that wait, oldest first."""
        return self._synchronizer.waiting

    def tolerance(self, camera: str) -> float:
        """Return the seconds between an image of a camera and its expected stamp, at most."""
        return self._synchronizer.tolerance(camera)

    def take_problems(self) -> list[Problem]:
        """Return what is to be said since the last time: who fell silent, who came back."""
        taken, self._problems = self._problems, []
        return taken

    def add_image(self, camera: str, stamp: int, message: Any, now: float) -> str:
        """Add an image; return why it is ignored, empty where it is not."""
        stale = self._synchronizer.add_image(camera, stamp, message)
        self._offer(camera, stamp, None, now)
        # Out of order it is of use to frames that another sensor makes.
        return "" if stale == OUT_OF_ORDER and camera != self.reference else stale

    def add_sweep(self, lidar: str, sweep: RawSweep, now: float) -> str:
        """Add a sweep; return why it is no news, empty where it is."""
        stale = self._sweeps[lidar].add(sweep)
        self._offer(lidar, sweep.stamp, sweep, now)
        return stale

    def ready(self, now: float) -> tuple[list[Trigger], InputError | None]:
        """Return the moments that need not wait any longer, oldest first.

        Args:
            now: Seconds on the caller's clock.

        Returns:
            The triggers, and why others were given up meanwhile.
        """
        self._give_way(now)
        if not self._synchronizer.waiting:
            return [], None
        self._awaited = ""
        triggers = self._synchronizer.ready(
            now, lambda trigger: self._readiness(trigger, now), self._not_waited_for(now)
        )
        lost, self._synchronizer.without_tf = self._synchronizer.without_tf, None
        triggers = [trigger for trigger in triggers if not self._astray(trigger)]
        return triggers, None if lost is None else self._poses.obstacle(lost.stamp)

    def reconfigure(self, config: StreamConfig) -> int:
        """Let other sensors make the moments; return the newest stamp dropped for that, or 0."""
        before, self._config = self.reference, config
        self._synchronizer.reconfigure(config.sync)
        self._choice.reconfigure(config.references)
        if self.reference == before:
            return 0
        dropped = self._synchronizer.change_reference()
        self._catch_up()
        return dropped

    def _offer(self, sensor: str, stamp: int, reference: RawSweep | None, now: float) -> None:
        if self._choice.makes(sensor):
            self._note_changes(now)
            self._synchronizer.add_reference(stamp, reference, now, sensor)

    def _note_changes(self, now: float) -> None:
        config = self._config
        sensors = dict.fromkeys((*config.references, *config.sync.cameras, *config.other_lidars))
        self._problems += self._inputs.changes(tuple(sensors), self.reference, now)

    def _give_way(self, now: float) -> None:
        """Let another sensor make the moments once the one that does is silent."""
        if not self._inputs.gone(self.reference, now):
            return
        for sensor in self._choice.order:
            if sensor == self.reference or self._inputs.late(sensor, now):
                continue
            moments = self._not_made(sensor)
            if moments:
                self._choice.give_way(sensor)
                self._note_changes(now)
                arrival = self._inputs.last_arrival(sensor)
                for stamp, sweep in moments[self._first_to_make(moments, now) :]:
                    self._synchronizer.add_reference(stamp, sweep, arrival, sensor)
            return  # it is there, and its next message is about to come

    def _not_made(self, sensor: str) -> list[tuple[int, RawSweep | None]]:
        """Return the stamps of what a sensor has sent since the last moment, with its sweeps."""
        synchronizer = self._synchronizer
        if sensor in self._sweeps:
            sent = [(sweep.stamp, sweep) for sweep in self._sweeps[sensor].by_stamp()]
        else:
            sent = [(stamp, None) for stamp in synchronizer.image_stamps(sensor)]
        if sent and sent[-1][0] < synchronizer.newest - JUMP_BACK:
            return sent  # the recording has begun anew
        # Its next message after the last moment may belong to that moment.
        same = round(SAME_MOMENT * self._inputs.silence.period(sensor) * NANOSECONDS)
        return [each for each in sent if each[0] > synchronizer.newest + same]

    def _first_to_make(self, moments: list[tuple[int, RawSweep | None]], now: float) -> int:
        """Return which is the first of them to be made: live it is the newest that is whole."""
        if self._config.look_back:
            return 0
        silent, newest = self._not_waited_for(now), len(moments) - 1
        whole = (
            index
            for index in range(newest, -1, -1)
            if self._synchronizer.has_all(moments[index][0], self.reference, silent)
        )
        return next(whole, newest)

    def _not_waited_for(self, now: float) -> list[str]:
        return [name for name in self._config.sync.cameras if self._inputs.late(name, now)]

    def _astray(self, trigger: Trigger) -> bool:
        """Return whether a moment is none, by a clock that has turned out to be another one."""
        sensor = trigger.sensor
        astray = sensor not in ("", self.reference) and self._inputs.useless(sensor)
        self._synchronizer.drops["other_clock"] += astray
        return astray

    def _readiness(self, trigger: Trigger, now: float) -> Readiness:
        inputs = self._inputs
        state = self._poses.readiness(
            trigger, lambda edge: inputs.gone(edge, now), lambda edge: inputs.late(edge, now)
        )
        if state is not Readiness.COMPLETE:
            self._awaited = self._awaited or "tf"
        elif trigger.reference is not None:
            for lidar in self._config.lidars:
                if lidar != trigger.sensor and self._sweep_is_due(lidar, trigger.stamp, now):
                    self._awaited = self._awaited or f"sweeps of {lidar}"
                    return Readiness.INCOMPLETE
        return state

    def _sweep_is_due(self, lidar: str, stamp: int, now: float) -> bool:
        """Return whether another LiDAR's sweep from before a moment is still to come."""
        newest = self._sweeps[lidar].newest()
        if self._inputs.late(lidar, now):
            return False
        period = round(NEXT_SWEEP * self._inputs.silence.period(lidar) * NANOSECONDS)
        return newest is None or newest.stamp + period <= stamp

    def _catch_up(self) -> None:
        """Let the sensor that now makes the frames make one of what it sent a moment ago.

        Its newest message may belong to a moment that the sensor before it has not told yet, and
        from now on will not tell.
        """
        sensor, synchronizer = self.reference, self._synchronizer
        sweep = self._sweeps[sensor].newest() if sensor in self._sweeps else None
        stamp = synchronizer.newest_image(sensor) if sweep is None else sweep.stamp
        if stamp and 0 < synchronizer.newest < stamp:
            arrival = self._inputs.last_arrival(sensor)
            synchronizer.add_reference(stamp, sweep, arrival, sensor)
