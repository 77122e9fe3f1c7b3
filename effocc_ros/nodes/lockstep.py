"""When a bag player waits for the node, so that a slow machine loses nothing."""

import struct
from collections import deque

from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.trigger import KeyframeGate


def header_stamp(raw: bytes) -> int:
    """Read the stamp of a serialised message that begins with a std_msgs/Header.

    Args:
        raw: CDR with its 4-byte encapsulation header.

    Returns:
        Nanoseconds since the epoch.
    """
    order = "<" if raw[1] & 1 else ">"
    seconds, nanoseconds = struct.unpack_from(f"{order}iI", raw, 4)
    return seconds * NANOSECONDS + nanoseconds


class Lockstep:
    """Remembers which LiDAR keyframes were sent and which of them the node has answered.

    Args:
        interval: Seconds between keyframes, the node's ``trigger_interval``.
        slack: Seconds of bag time that play on after a keyframe before the player waits, so that
            the images that belong to it are out.
    """

    def __init__(self, interval: float, slack: float):
        self._interval, self._gate = interval, KeyframeGate(interval)
        self._slack = round(slack * NANOSECONDS)
        self._waiting: deque[tuple[int, int]] = deque()
        self._newest = self._last_keyframe = self._early = 0
        self.keyframes = self.answered = 0

    def sent(self, stamp: int, bag_time: int) -> None:
        """Note that the reference sensor's message of this stamp went out at this bag time."""
        if not stamp:
            return  # nobody stamped it, and the node will not take it
        self._newest = max(self._newest, stamp)
        if self._gate.accepts(stamp):
            self.keyframes += 1
            self._last_keyframe = stamp
            self._waiting.append((bag_time + self._slack, stamp))
        if self._early == stamp:
            self.handled_until(stamp)

    def due(self, bag_time: int | None) -> int | None:
        """Say which keyframe must be answered first.

        Args:
            bag_time: When the next message is to go out; None at the end of the bag.

        Returns:
            The stamp of the keyframe to wait for, or None to go on.
        """
        if self._waiting and (bag_time is None or self._waiting[0][0] < bag_time):
            return self._waiting[0][1]
        return None

    def handled_until(self, stamp: int) -> None:
        """Note that the node is done with every keyframe up to this stamp.

        A stamp newer than all that was sent is left over from before a jump back in time and
        says nothing.
        """
        if stamp > self._newest:
            return
        while self._waiting and self._waiting[0][1] <= stamp:
            self._waiting.popleft()
            self.answered += 1

    def published(self, stamp: int) -> None:
        """Note that the node made a frame of this stamp.

        It may be one that was not waited for: where a keyframe's sweep cannot be used, the node
        takes the next sweep, and the keyframes to come count from there. It may also be one whose
        sweep is still to be sent: an anchor camera of the same stamp made the frame.
        """
        self._early = stamp if stamp > self._newest else 0
        self.handled_until(stamp)
        if self._last_keyframe < stamp <= self._newest:
            self._last_keyframe = stamp
            self._gate = KeyframeGate(self._interval)
            self._gate.accepts(stamp)

    def give_up(self) -> None:
        """Wait no more for the keyframe that is due."""
        self._waiting.popleft()
