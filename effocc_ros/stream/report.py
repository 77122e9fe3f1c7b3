# SPDX-License-Identifier: Apache-2.0
"""What a stream reports: problems with messages, counts and states."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from effocc_ros.errors import InputError
from effocc_ros.stamps import NANOSECONDS

UNITS = ((86_400 * 365.25, "years"), (86_400, "days"), (3_600, "hours"), (60, "minutes"))
"""Seconds of each."""


@dataclass(frozen=True)
class Remark:
    """Something odd about a message that is used all the same.

    Attributes:
        reason: Short snake_case name under which it is counted.
        text: One line for people: what was found, and how it was understood.
        source: What it is about, where that is but a part of the input: ``tf base <- camera``. It
            begins with the input's name. Empty: the input.
    """

    reason: str
    text: str
    source: str = ""


@dataclass(frozen=True)
class Problem:
    """One message, or one moment, that could not be used as it should.

    Attributes:
        source: The input at fault: a camera's name, a LiDAR's, ``tf``, or a part of it.
        reason: Short snake_case name under which it is counted.
        text: One line for people: what was found, what was expected, what to do.
        once: Whether saying it once is enough, because the message is used all the same.
        noted: Whether no message is lost by it.
    """

    source: str
    reason: str
    text: str
    once: bool = False
    noted: bool = False

    @staticmethod
    def of(source: str, error: InputError) -> "Problem":
        """Make a Problem of an error that a message caused."""
        return Problem(source, error.reason, str(error))

    @staticmethod
    def of_remark(source: str, remark: Remark) -> "Problem":
        """Make a Problem of a remark on a message that was used."""
        return Problem(remark.source or source, remark.reason, remark.text, once=True, noted=True)


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
        noted: ``source.reason`` -> messages that were used, but not without a remark; changes of
            inputs that fall silent and come back.
        waiting: Reference messages that wait for images or tf.
        waiting_since: When the oldest of them came, seconds of the caller's clock; 0 if none.
        waiting_for: What the oldest of them waits for: ``images``, ``tf`` or ``sweeps of NAME``;
            empty if none waits.
        reference_period: Seconds between the stamps of the reference sensor; 0 if unknown.
        reference: The sensor that makes the frames now.
        silent: Sensors that have fallen silent while it goes on.
        ego_motion: Whether the last frame knew the ego motion; None where there is no fixed frame,
            and before the first frame.
    """

    inputs: Mapping[str, InputStatistics]
    frames_in: int
    frames_out: int
    drops: Mapping[str, int]
    rejected: Mapping[str, int]
    noted: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    waiting_since: float = 0.0
    waiting_for: str = ""
    reference_period: float = 0.0
    reference: str = ""
    silent: tuple[str, ...] = ()
    ego_motion: bool | None = None


def no_image(camera: str, stamp: int, distance: int | None, tolerance: float) -> Problem:
    """Return what to say of a camera without an image for a frame.

    Args:
        camera: The camera's name.
        stamp: Of the reference, nanoseconds.
        distance: Nanoseconds from where its image was expected to the nearest; None: no image.
        tolerance: Seconds that would have been near enough.
    """
    found = "none" if distance is None else f"the nearest {duration(distance / NANOSECONDS)} away"
    text = (
        f"images of {camera}: found {found} at {stamp / NANOSECONDS:.3f} s; expected one within "
        f"{tolerance:.3g} s. The frame is made without this camera; check its topic, its QoS and "
        "its clock."
    )
    return Problem(camera, "no_image", text)


def duration(seconds: float) -> str:
    """Say a time for people: ``53.9 years``, ``3.2 hours``, ``0.53 s``."""
    for length, name in UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {name}"
    return f"{seconds:.3g} s"


def plain(counts: Counter[str]) -> dict[str, int]:
    """Return the counts that are not zero."""
    return {name: count for name, count in counts.items() if count}
