"""Which images belong to which reference message.

A reference message (a LiDAR sweep, or an image of the anchor camera) makes a trigger. Each camera
then gives the image nearest to the reference stamp plus its own offset. A camera that has none
near enough is left out, and the trigger goes on without it: one dead camera must not silence the
vehicle.
"""

from bisect import insort
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.trigger import KeyframeGate

JUMP_BACK = NANOSECONDS
"""A stamp that falls back further than this means a restart, as of a bag in a loop."""

SILENT = NANOSECONDS
"""A camera whose newest image is older than this is not waited for."""


@dataclass(frozen=True)
class SyncConfig:
    """How images are matched.

    Attributes:
        cameras: Camera names.
        offsets: Seconds by which a camera's stamps lie after the LiDAR's; 0 where absent.
        tolerance: Seconds between an image and its expected stamp, at most.
        accept_within: An image this close is taken without waiting for a closer one.
        max_wait: Seconds after the reference's arrival that a trigger waits.
        trigger_interval: Seconds between triggers; 0 takes every reference message.
        queue: Images kept per camera, and triggers kept waiting.
    """

    cameras: tuple[str, ...]
    offsets: Mapping[str, float] = field(default_factory=dict)
    tolerance: float = 0.1
    accept_within: float = 0.02
    max_wait: float = 0.2
    trigger_interval: float = 0.0
    queue: int = 15


@dataclass(frozen=True)
class Trigger:
    """A reference message whose wait is over, and the images that go with it.

    Attributes:
        stamp: Of the reference message, nanoseconds.
        reference: What the caller gave with it.
        images: Camera name -> (stamp, message); a camera without an image is not there.
        missing: Camera without an image -> nanoseconds from where its image was expected to the
            nearest one that it has; None where it has none at all.
    """

    stamp: int
    reference: Any = field(repr=False)
    images: Mapping[str, tuple[int, Any]] = field(repr=False)
    missing: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True)
class _Waiting:
    stamp: int
    reference: Any
    arrival: float


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
    """

    def __init__(self, config: SyncConfig):
        self.config = config
        self.taken_in = 0
        self.drops: Counter[str] = Counter()
        self._gate = KeyframeGate(config.trigger_interval)
        self._images: dict[str, list[tuple[int, Any]]] = {name: [] for name in config.cameras}
        self._waiting: deque[_Waiting] = deque()
        self._first: int | None = None
        self.newest = 0

    def add_reference(self, stamp: int, reference: Any, now: float) -> bool:
        """Take a reference message in; return whether it will make a trigger.

        Args:
            stamp: Nanoseconds.
            reference: Anything; comes back in the trigger.
            now: Seconds on the caller's monotonic clock.
        """
        if self._first is None:
            self._first = stamp
        elif stamp < self.newest - JUMP_BACK:
            self._restart(stamp)
        self.newest = stamp
        repeated = any(each.stamp == stamp for each in self._waiting)
        if not self._gate.accepts(stamp) or repeated:
            return False
        if self._waiting and stamp < self._waiting[-1].stamp:
            self._drop_all("jump_back")
        self.taken_in += 1
        self._waiting.append(_Waiting(stamp, reference, now))
        if len(self._waiting) > self.config.queue:
            self._waiting.popleft()
            self.drops["queue_full"] += 1
        return True

    def add_image(self, camera: str, stamp: int, message: Any) -> None:
        """Take an image in."""
        queue = self._images[camera]
        if queue and stamp < queue[-1][0] - JUMP_BACK:
            queue.clear()
        queue[:] = [image for image in queue if image[0] != stamp]
        insort(queue, (stamp, message), key=lambda image: image[0])
        del queue[: -self.config.queue]

    def newest_image(self, camera: str) -> int | None:
        """Return the stamp of a camera's newest image, None where there is none."""
        queue = self._images.get(camera)
        return queue[-1][0] if queue else None

    def ready(
        self, now: float, settled: Callable[[int], bool] = lambda stamp: True
    ) -> list[Trigger]:
        """Return the triggers that need not wait any longer, oldest first.

        Args:
            now: Seconds on the caller's monotonic clock; infinity ends all waits.
            settled: Says whether all else that a stamp needs, such as tf, has come.
        """
        triggers = []
        while self._waiting:
            first = self._waiting[0]
            overdue = now - first.arrival >= self.config.max_wait
            if not overdue and not self._complete(first.stamp):
                break
            trigger = self._match(first)
            stamps = [first.stamp, *(stamp for stamp, _ in trigger.images.values())]
            if not overdue and not settled(max(stamps)):
                break
            self._waiting.popleft()
            triggers.append(trigger)
        return triggers

    def clear(self) -> None:
        """Forget all images, and drop what waits."""
        self._drop_all("cleared")
        for queue in self._images.values():
            queue.clear()
        self._gate = KeyframeGate(self.config.trigger_interval)
        self._first = None

    def reconfigure(self, config: SyncConfig) -> None:
        """Match by another config from now on; images and triggers that wait stay."""
        self.config = config
        self._images = {name: self._images.get(name, []) for name in config.cameras}

    def change_reference(self) -> int:
        """Drop what waits, for another sensor makes the triggers from now on.

        Returns:
            The newest stamp that was dropped, 0 if none was.
        """
        if not self._waiting:
            return 0
        # What the other sensor has told of these moments is news again.
        newest, self.newest = self._waiting[-1].stamp, self._waiting[0].stamp - 1
        self._drop_all("reconfigured")
        return newest

    def _restart(self, stamp: int) -> None:
        """Begin anew after a jump back in time: images that lie ahead of it are from before it."""
        self._first = stamp
        for queue in self._images.values():
            if queue and queue[-1][0] > stamp + JUMP_BACK:
                queue.clear()

    def _drop_all(self, reason: str) -> None:
        self.drops[reason] += len(self._waiting)
        self._waiting.clear()

    def _expected(self, camera: str, stamp: int) -> int:
        return stamp + round(self.config.offsets.get(camera, 0.0) * NANOSECONDS)

    def _complete(self, stamp: int) -> bool:
        """Return whether no image still to come can be wanted."""
        near = round(min(self.config.accept_within, self.config.tolerance) * NANOSECONDS)
        for camera, queue in self._images.items():
            # A camera that never said a word is waited for as if it had spoken at the start.
            last = queue[-1][0] if queue else self._first
            silent = last < stamp - SILENT
            arrived = queue and last >= self._expected(camera, stamp) - near
            if not (arrived or silent):
                return False
        return True

    def _match(self, waiting: _Waiting) -> Trigger:
        tolerance = round(self.config.tolerance * NANOSECONDS)
        matched, missing = {}, {}
        for camera, queue in self._images.items():
            expected = self._expected(camera, waiting.stamp)
            nearest = min(queue, key=lambda image: abs(image[0] - expected), default=None)
            distance = None if nearest is None else abs(nearest[0] - expected)
            if distance is not None and distance <= tolerance:
                matched[camera] = nearest
            else:
                missing[camera] = distance
        return Trigger(waiting.stamp, waiting.reference, matched, missing)
