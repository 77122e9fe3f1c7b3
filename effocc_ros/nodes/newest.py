# SPDX-License-Identifier: Apache-2.0
"""Messages that wait, the newest of each topic."""

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

Topic = TypeVar("Topic", bound=Hashable)


class Newest(Generic[Topic]):
    """Keeps the newest messages of each topic and gives them back in the order they came in."""

    def __init__(self):
        self._kept: dict[Topic, deque[tuple[int, bytes]]] = {}
        self._arrivals = 0

    def add(self, topic: Topic, raw: bytes, depth: int) -> bool:
        """Keep a message.

        Args:
            topic: Where it came.
            raw: The message.
            depth: How many of this topic are kept.

        Returns:
            True where an older one had to go for it.
        """
        kept = self._kept.setdefault(topic, deque(maxlen=depth))
        full = len(kept) == depth
        self._arrivals += 1
        kept.append((self._arrivals, raw))
        return full

    def pop(self) -> tuple[Topic, bytes] | None:
        """Take the oldest message of all, with its topic; None where none is left."""
        if not self._kept:
            return None
        topic = min(self._kept, key=lambda each: self._kept[each][0][0])
        _, raw = self._kept[topic].popleft()
        if not self._kept[topic]:
            del self._kept[topic]
        return topic, raw

    def forget(self, topic: Topic) -> None:
        """Throw a topic's messages away."""
        self._kept.pop(topic, None)
