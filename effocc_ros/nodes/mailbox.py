"""What passes between the stages of the node: one slot, where the newest item wins."""

import threading
from collections import deque
from statistics import median
from typing import Generic, TypeVar

Item = TypeVar("Item")

REMEMBERED_FRAMES = 100


class Mailbox(Generic[Item]):
    """One slot between two threads."""

    def __init__(self):
        self._condition = threading.Condition()
        self._item: Item | None = None

    def put(self, item: Item) -> Item | None:
        """Put an item in; return the one that it replaced, None where the slot was empty."""
        with self._condition:
            replaced, self._item = self._item, item
            self._condition.notify_all()
            return replaced

    def take(self, seconds: float) -> Item | None:
        """Take the item out; None where none came in time, or :meth:`wake` was called."""
        with self._condition:
            if self._item is None:
                self._condition.wait(seconds)
            item, self._item = self._item, None
            return item

    @property
    def full(self) -> bool:
        """Whether an item waits to be taken."""
        return self._item is not None

    def wake(self) -> None:
        """Let the other thread look around, though nothing has come."""
        with self._condition:
            self._condition.notify_all()


class Durations:
    """Milliseconds of the last frames, by stage."""

    def __init__(self):
        self._lock = threading.Lock()
        self._last: dict[str, deque[float]] = {}

    def add(self, **milliseconds: float) -> None:
        """Add one frame's time in each stage."""
        with self._lock:
            for name, value in milliseconds.items():
                self._last.setdefault(name, deque(maxlen=REMEMBERED_FRAMES)).append(value)

    def median(self, name: str) -> float:
        """Return the median of a stage, 0 before the first frame."""
        with self._lock:
            return median(self._last[name]) if self._last.get(name) else 0.0

    def medians(self) -> dict[str, float]:
        """Return the median of each stage."""
        with self._lock:
            return {name: median(values) for name, values in self._last.items()}

    def percentile(self, name: str, share: float) -> float | None:
        """Return the value that this share of a stage's times does not exceed, None before one."""
        with self._lock:
            values = sorted(self._last.get(name, ()))
        return values[round(share * (len(values) - 1))] if values else None

    def clear(self) -> None:
        """Forget everything: another network takes over."""
        with self._lock:
            self._last.clear()
