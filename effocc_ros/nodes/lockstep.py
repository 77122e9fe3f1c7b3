# SPDX-License-Identifier: Apache-2.0
"""When a bag player waits for the node, so that a slow machine loses nothing."""

import struct

from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.trigger import KeyframeGate


def header_stamp(raw: bytes) -> int:
    """Read the stamp of a serialised message that begins with a std_msgs/Header.

    Args:
        raw: CDR with its 4-byte encapsulation header.

    Returns:
        Nanoseconds since the epoch; 0 where the message is too short to have one.
    """
    if len(raw) < 12:
        return 0
    order = "<" if raw[1] & 1 else ">"
    seconds, nanoseconds = struct.unpack_from(f"{order}iI", raw, 4)
    return seconds * NANOSECONDS + nanoseconds


class Lockstep:
    """Holds the bag back before the next keyframe until the node is done with the last one.

    A keyframe is a message of the reference sensor that makes a frame. Everything up to the next
    keyframe goes out before the player waits: images and transforms that come after a keyframe
    and belong to it are among it.

    Args:
        interval: Seconds between keyframes, the node's ``trigger_interval``.

    Attributes:
        keyframes: How many were sent.
        frames: How many of them the node published.
        dropped: How many the node was done with without publishing.
        unanswered: How many the player gave up waiting for.
    """

    def __init__(self, interval: float):
        self._interval, self._gate = interval, KeyframeGate(interval)
        self._due: int | None = None
        self._newest = self._last_keyframe = 0
        self.keyframes = self.frames = self.dropped = self.unanswered = 0

    def restart(self) -> None:
        """Begin the bag again: answers to the round before say nothing now."""
        self._gate = KeyframeGate(self._interval)
        self._due = None
        self._newest = self._last_keyframe = 0

    def due_before(self, stamp: int | None) -> int | None:
        """Say which keyframe must be answered first.

        Args:
            stamp: Stamp of the reference sensor's message to be sent next; None at the end of
                the bag.

        Returns:
            The stamp of the keyframe to wait for, or None to go on.
        """
        if stamp is None or self._begins(stamp):
            return self._due
        return None

    def _begins(self, stamp: int) -> bool:
        # After another model took over, an image may have the stamp of the sweep before it.
        known = not stamp or stamp == self._last_keyframe
        return not known and self._gate.would_accept(stamp)

    def sent(self, stamp: int) -> None:
        """Note that the reference sensor's message of this stamp went out."""
        if not stamp:
            return  # nobody stamped it, and the node will not take it
        if self._begins(stamp):
            self._gate.accepts(stamp)
            self.keyframes += 1
            self._newest = self._last_keyframe = self._due = stamp
        elif stamp > self._newest:  # and not a copy of an old one
            self._newest = stamp

    def handled(self, stamp: int, published: bool) -> None:
        """Note that the node is done with a frame, and so with all before it.

        It may be one that was not waited for: where a keyframe's sweep cannot be used, the node
        takes the next sweep, and the keyframes to come count from there. A stamp newer than all
        that were sent since time last jumped back is left over from before and says nothing.
        """
        if stamp > self._newest:
            return
        expected = stamp == self._due
        if self._due is not None and self._due <= stamp:
            self._due = None
            self.frames += expected and published
            self.dropped += not (expected and published)
        if published and self._last_keyframe < stamp:
            self._last_keyframe = stamp
            self._gate = KeyframeGate(self._interval)
            self._gate.accepts(stamp)
            self.keyframes += 1
            self.frames += 1

    def give_up(self) -> None:
        """Wait no more for the keyframe that is due."""
        self._due = None
        self.unanswered += 1

    def summary(self) -> str:
        """Say how the keyframes ended."""
        return (
            f"{self.keyframes} keyframes: {self.frames} frames, {self.dropped} dropped, "
            f"{self.unanswered} without an answer"
        )
