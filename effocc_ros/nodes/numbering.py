# SPDX-License-Identifier: Apache-2.0
"""Publishers number their messages; the numbers that never come are messages that were lost."""

from collections.abc import Callable, Mapping
from inspect import Parameter, Signature
from typing import Any

MOST_PUBLISHERS = 100
"""Publishers of one topic that are remembered, those that were heard last."""


class WithInfo:
    """A subscription's callback that also takes what the middleware knows of each message.

    rclpy reads the signature to find out that a callback wants it. Its executors then call with
    two arguments, but EventsExecutor with a tuple of the two.

    Args:
        take: Takes a message and its info, such as ``publication_sequence_number``.
    """

    __signature__ = Signature(
        [Parameter(name, Parameter.POSITIONAL_ONLY) for name in ("message", "info")]
    )

    def __init__(self, take: Callable[[Any, Mapping[str, Any]], None]):
        self._take = take

    def __call__(self, *arguments):
        """Take a message."""
        message, info = arguments if len(arguments) == 2 else arguments[0]
        self._take(message, info)


class Numbering:
    """Counts the messages of one topic that its publishers sent and that never came.

    Whatever took them: the network, a full queue of the publisher, or the middleware's own queue
    of this subscription, which keeps the newest while the node is busy.

    Attributes:
        known: Whether the middleware tells the numbers; until a message has come it is not known.
    """

    def __init__(self):
        self.known = False
        self._last: dict[bytes, int] = {}

    def lost_before(self, info: Mapping[str, Any]) -> int:
        """Return how many messages of its publisher are missing between a message and the last.

        What was sent before the first one that came is not missing, and what was sent again, or
        comes late, is not new.

        Args:
            info: What came with the message.
        """
        number = info.get("publication_sequence_number")
        if number is None:
            return 0
        self.known = True
        publisher = (info.get("publisher_gid") or {}).get("data", b"")
        last = self._last.pop(publisher, number - 1)
        self._last[publisher] = max(last, number)
        if len(self._last) > MOST_PUBLISHERS:
            self._last.pop(next(iter(self._last)))
        return max(0, number - last - 1)
