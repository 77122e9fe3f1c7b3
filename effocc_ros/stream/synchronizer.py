# SPDX-License-Identifier: Apache-2.0
"""Which images belong to which reference message.

A reference message (a LiDAR sweep, or an image of the anchor camera) makes a trigger. Each camera
then gives the image nearest to the reference stamp plus its own offset. A camera that has none
near enough is left out, and the trigger goes on without it: one dead camera must not silence the
vehicle. Matching happens when messages arrive, however busy the network is, and waits are counted
on the caller's clock.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.image_queue import ImageQueue
from effocc_ros.stream.sync_config import ROOM, SyncConfig
from effocc_ros.stream.trigger import (
    JUMP_BACK,
    KeyframeGate,
    Readiness,
    Trigger,
)

MEASURED_TOLERANCE = 0.55
"""Share of a camera's period within which its nearest image lies: half, and a tenth of that for
jitter. One period further off is another moment."""

LONGEST_TOLERANCE = 0.1
"""Seconds: the tolerance of a camera that is slow, or whose period is not known yet."""

LAG = 1.5
"""Lags of the last reference message behind a camera of which its images are kept for the next."""

FIRST_LAG = 0.5
"""Seconds: the lag of a reference that has not come yet."""

HOLD_SECONDS = 10.0
"""How long a trigger that tf does not reach yet is kept while no newer one can be used."""


@dataclass
class Waiting:
    """A reference message that waits.

    Attributes:
        stamp: Nanoseconds.
        reference: What the caller gave with it.
        arrival: Seconds on the caller's clock.
        sensor: Whose message it is.
        trigger: Once its images are matched.
    """

    stamp: int
    reference: Any
    arrival: float
    sensor: str = ""
    trigger: Trigger | None = None


class Synchronizer:
    """Matches images to reference messages.

    Every reference message that the gate lets in ends once: as a trigger that :meth:`ready`
    returns, or as a drop counted in ``drops``.

    Args:
        config: How images are matched.

    Attributes:
        taken_in: Reference messages that the gate let in.
        drops: Reason -> how many of them never became a trigger.
        newest: Stamp of the last reference message; 0 before the first.
        period: Nanoseconds between the last two reference messages; 0 before the second.
        without_tf: The last trigger that was dropped because tf did not reach it, or None.
    """

    def __init__(self, config: SyncConfig):
        self.config = config
        self.taken_in = 0
        self.drops: Counter[str] = Counter()
        self._gate = KeyframeGate(config.trigger_interval)
        self._images = {name: ImageQueue() for name in config.cameras}
        self._waiting: deque[Waiting] = deque()
        self._last: Waiting | None = None
        self._lags: dict[str, int] = {}
        self.newest = self.period = 0
        self.without_tf: Trigger | None = None

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """What waits, oldest first."""
        return tuple(self._waiting)

    def is_news(self, stamp: int) -> bool:
        """Return whether a reference stamp may make a trigger.

        Only a stamp that goes back by more than a second begins anew; any other that is not newer
        than the last one would make two frames of one moment.
        """
        return not self.newest or stamp > self.newest or stamp < self.newest - JUMP_BACK

    def add_reference(self, stamp: int, reference: Any, now: float, sensor: str = "") -> bool:
        """Add a reference message; return whether it will make a trigger.

        Args:
            stamp: Nanoseconds.
            reference: Anything; comes back in the trigger.
            now: Seconds on the caller's clock.
            sensor: Whose message it is: the cameras' offsets count from this one's.
        """
        if not self.is_news(stamp):
            return False
        if stamp < self.newest:
            self._restart(stamp)
        elif self.newest:
            self.period = stamp - self.newest
        self.newest = stamp
        self._last = Waiting(stamp, None, now, sensor)
        self._note_lags()
        if not self._gate.accepts(stamp):
            return False
        self.taken_in += 1
        self._waiting.append(Waiting(stamp, reference, now, sensor))
        if len(self._waiting) > self.config.room(sensor, self.period / NANOSECONDS):
            self._give_up_oldest()
        return True

    def add_image(self, camera: str, stamp: int, message: Any) -> str:
        """Add an image; return why it is no news, empty where it is."""
        sizes = self.config.queue, self.config.longest_queue
        return self._images[camera].add(stamp, message, *sizes, self._wanted_from(camera))

    def newest_image(self, camera: str) -> int | None:
        """Return the stamp of a camera's newest image, None where there is none."""
        return self._images[camera].newest if camera in self._images else None

    def image_stamps(self, camera: str) -> list[int]:
        """Return the stamps of a camera's images, oldest first."""
        return self._images[camera].stamps if camera in self._images else []

    def has_all(self, stamp: int, sensor: str, silent: Collection[str] = ()) -> bool:
        """Return whether no image still to come would belong to a stamp of a sensor's."""
        return self._complete(Waiting(stamp, None, 0.0, sensor), silent)

    def tolerance(self, camera: str) -> float:
        """Return the seconds between an image of a camera and its expected stamp, at most."""
        if self.config.tolerance:
            return self.config.tolerance
        period = self._images[camera].period()
        return min(MEASURED_TOLERANCE * period or LONGEST_TOLERANCE, LONGEST_TOLERANCE)

    def ready(
        self,
        now: float,
        readiness: Callable[[Trigger], Readiness] = lambda trigger: Readiness.COMPLETE,
        silent: Collection[str] = (),
    ) -> list[Trigger]:
        """Return the triggers that need not wait any longer, oldest first.

        A trigger waits until its images have come and all else that it needs, or until its
        longest wait is over. One that tf does not reach even then is kept until it can be used, or
        until a newer one can, and is dropped then.

        Args:
            now: Seconds on the caller's clock; infinity ends all waits.
            readiness: Whether all else that a matched trigger needs has come.
            silent: Cameras that are not waited for, because they are late or silent.
        """
        triggers, held = [], 0
        while len(self._waiting) > held:
            each = self._waiting[held]
            each.arrival = min(each.arrival, now)  # the clock may have been set back
            waited = now - each.arrival
            overdue = waited >= self.config.longest_wait(each.sensor)
            if each.trigger is None:
                if not overdue and not self._complete(each, silent):
                    break
                each.trigger = self._match(each)
            state = readiness(each.trigger)
            if state is Readiness.TOO_EARLY and waited < HOLD_SECONDS:
                held += 1
                continue
            if state is not Readiness.COMPLETE and not overdue:
                break
            for _ in range(held):
                self._give_up_oldest()
            held = 0
            self._waiting.popleft()
            triggers.append(each.trigger)
        return triggers

    def reconfigure(self, config: SyncConfig) -> None:
        """Match by another config from now on; images and triggers that wait stay."""
        self.config = config
        self._images = {name: self._images.get(name) or ImageQueue() for name in config.cameras}
        for each in self._waiting:
            each.trigger = None

    def change_reference(self) -> int:
        """Drop what waits, for another sensor makes the triggers from now on.

        Returns:
            The newest stamp that was dropped, 0 if none was.
        """
        self.period = 0
        if not self._waiting:
            return 0
        # The other sensor's messages of these moments are news again.
        oldest, newest = self._waiting[0].stamp, self._waiting[-1].stamp
        self.newest = oldest - 1
        self._gate.rewind(oldest)
        self._drop_all("reconfigured")
        return newest

    def _give_up_oldest(self) -> None:
        oldest = self._waiting.popleft()
        if oldest.trigger is None:
            self.drops["queue_full"] += 1
        else:
            self.drops["tf_extrapolation"] += 1
            self.without_tf = oldest.trigger

    def _restart(self, stamp: int) -> None:
        """Begin anew after a jump back in time: images that lie ahead of it are from before it."""
        self._drop_all("jump_back")
        for queue in self._images.values():
            queue.begin_anew(stamp)

    def _drop_all(self, reason: str) -> None:
        self.drops[reason] += len(self._waiting)
        self._waiting.clear()

    def _note_lags(self) -> None:
        """Note how far the last reference message came behind each camera's images."""
        for camera, queue in self._images.items():
            if queue.newest is not None:
                self._lags[camera] = max(queue.newest - self._expected(camera, self._last), 0)

    def _wanted_from(self, camera: str) -> int:
        """Return the stamp from which on images of a camera may still be wanted."""
        newest = self._images[camera].newest or 0
        tolerance = round(self.tolerance(camera) * NANOSECONDS)
        if self._waiting:
            return self._expected(camera, self._waiting[0]) - tolerance
        sensor = self._last.sensor if self._last else ""
        lag = self._lags.get(camera, round(FIRST_LAG * NANOSECONDS))
        reach = LAG * lag + ROOM * self.config.longest_wait(sensor) * NANOSECONDS
        past = newest - round(reach)
        return past if self._last is None else max(past, self._expected(camera, self._last))

    def _expected(self, camera: str, waiting: Waiting) -> int:
        offsets = self.config.offsets
        seconds = offsets.get(camera, 0.0) - offsets.get(waiting.sensor, 0.0)
        return waiting.stamp + round(seconds * NANOSECONDS)

    def _complete(self, waiting: Waiting, silent: Collection[str]) -> bool:
        """Return whether no image still to come can be wanted."""
        for camera, queue in self._images.items():
            if camera in silent:
                continue
            if queue.newest is None:
                return False
            early = self._expected(camera, waiting) - queue.newest
            within = min(self.config.accept_within, self.tolerance(camera)) * NANOSECONDS
            if early > within:
                return False
        return True

    def _match(self, waiting: Waiting) -> Trigger:
        matched, missing, distances = {}, {}, {}
        for camera, queue in self._images.items():
            expected = self._expected(camera, waiting)
            nearest = queue.nearest(expected)
            distance = None if nearest is None else nearest[0] - expected
            limit = round(self.tolerance(camera) * NANOSECONDS)
            if distance is not None and abs(distance) <= limit:
                matched[camera], distances[camera] = nearest, distance
            else:
                missing[camera] = None if distance is None else abs(distance)
        return Trigger(
            waiting.stamp, waiting.reference, matched, missing, distances, waiting.sensor
        )
