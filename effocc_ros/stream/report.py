"""What a stream reports: problems with messages, counts and rates."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from effocc_ros.errors import InputError
from effocc_ros.stamps import NANOSECONDS

REMEMBERED = 20
"""Arrivals and matches from which rates and distances are computed."""

PUNCTUAL = 1.5
"""Mean periods after which the next message is overdue and the rate begins to fall."""


@dataclass(frozen=True)
class Remark:
    """Something odd about a message that is used all the same.

    Attributes:
        reason: Short snake_case name under which it is counted.
        text: One line for people: what was found, and how it was understood.
    """

    reason: str
    text: str


@dataclass(frozen=True)
class Problem:
    """One message, or one moment, that could not be used as it should.

    Attributes:
        source: The input at fault: a camera's name, a LiDAR's, ``tf``.
        reason: Short snake_case name under which it is counted.
        text: One line for people: what was found, what was expected, what to do.
        once: Whether saying it once is enough, because the message is used all the same.
    """

    source: str
    reason: str
    text: str
    once: bool = False

    @staticmethod
    def of(source: str, error: InputError) -> "Problem":
        """Make a Problem of an error that a message caused."""
        return Problem(source, error.reason, str(error))

    @staticmethod
    def of_remark(source: str, remark: Remark) -> "Problem":
        """Make a Problem of a remark on a message that was used."""
        return Problem(source, remark.reason, remark.text, once=True)


@dataclass(frozen=True)
class InputStatistics:
    """How one input does.

    Attributes:
        count: Messages that came.
        rate: Messages per second of the caller's clock; falls once the next one is overdue.
        last_stamp: Header stamp of the newest message, nanoseconds.
        last_arrival: When it came, seconds of the caller's clock.
        period: Seconds between its last messages, while they came; 0 before the second.
        distance: Seconds between its images and the stamps at which they were expected, the
            median of the last frames; None before the first and for a LiDAR.
        worst_distance: The largest of them.
    """

    count: int
    rate: float
    last_stamp: int
    last_arrival: float
    period: float = 0.0
    distance: float | None = None
    worst_distance: float | None = None


@dataclass(frozen=True)
class SensorState:
    """What is known of a sensor.

    Attributes:
        calibrated: Its intrinsics are known, or it needs none.
        mounted: Its pose on the vehicle is known; None before its first message.
    """

    calibrated: bool
    mounted: bool | None


@dataclass(frozen=True)
class StreamStatistics:
    """How a stream does.

    Attributes:
        inputs: By name of camera or LiDAR.
        frames_in: Reference messages that should become a frame.
        frames_out: Frames assembled.
        drops: Reason -> reference messages that did not become a frame.
        rejected: ``source.reason`` -> messages that could not be used; for ``no_image`` frames
            that were made without that camera.
        noted: ``source.reason`` -> messages that were used, but not without a remark.
        waiting: Reference messages that wait for images or tf.
        waiting_since: When the oldest of them came, seconds of the caller's clock; 0 if none.
        waiting_for_tf: True when the oldest of them has its images and waits for tf.
        reference_period: Seconds between the stamps of the reference sensor; 0 if unknown.
    """

    inputs: Mapping[str, InputStatistics]
    frames_in: int
    frames_out: int
    drops: Mapping[str, int]
    rejected: Mapping[str, int]
    noted: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    waiting_since: float = 0.0
    waiting_for_tf: bool = False
    reference_period: float = 0.0


@dataclass
class InputCounter:
    """Counts the messages of one input, and how well its images fit."""

    _count: int = 0
    _last_stamp: int = 0
    _arrivals: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _distances: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def count(self, stamp: int, now: float) -> None:
        """Count one message."""
        self._count += 1
        self._last_stamp = stamp
        if self._arrivals and now < self._arrivals[-1]:
            self._arrivals.clear()  # the clock was set back
        self._arrivals.append(now)

    def matched(self, distance: int) -> None:
        """Note how far, in nanoseconds, an image lay from where it was expected."""
        self._distances.append(abs(distance))

    def statistics(self, now: float | None = None) -> InputStatistics:
        """Return the counts at a moment of the caller's clock; None: when the last one came."""
        distances = [distance / NANOSECONDS for distance in self._distances]
        return InputStatistics(
            count=self._count,
            rate=rate(self._arrivals, now),
            last_stamp=self._last_stamp,
            last_arrival=self._arrivals[-1] if self._arrivals else 0.0,
            period=mean_period(self._arrivals),
            distance=median(distances) if distances else None,
            worst_distance=max(distances, default=None),
        )


def rate(arrivals: deque[float], now: float | None = None) -> float:
    """Return events per second: constant while they come on time, then falling.

    Args:
        arrivals: Seconds, oldest first.
        now: Seconds on the same clock; None: at the last arrival.
    """
    period = mean_period(arrivals)
    if not period:
        return 0.0
    late = now is not None and now - arrivals[-1] > PUNCTUAL * period
    return (len(arrivals) - 1) / (now - arrivals[0]) if late else 1.0 / period


def mean_period(arrivals: deque[float]) -> float:
    """Return the mean seconds between arrivals, 0 before the second."""
    if len(arrivals) < 2:
        return 0.0
    return (arrivals[-1] - arrivals[0]) / (len(arrivals) - 1)


def plain(counts: Counter[str]) -> dict[str, int]:
    """Return the counts that are not zero."""
    return {name: count for name, count in counts.items() if count}
