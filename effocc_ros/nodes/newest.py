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

    def take(self) -> list[tuple[Topic, bytes]]:
        """Take all messages, with their topics, in the order in which they came in."""
        kept, self._kept = self._kept, {}
        arrivals = [(number, topic, raw) for topic in kept for number, raw in kept[topic]]
        return [(topic, raw) for _, topic, raw in sorted(arrivals, key=lambda each: each[0])]
