# SPDX-License-Identifier: Apache-2.0
"""A stage of the node: a thread with one slot in front of it, where the newest item wins."""

import threading
from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Generic, TypeVar

Item = TypeVar("Item")

REMEMBERED_FRAMES = 100


class Stage(Generic[Item]):
    """Handles one item after another in a thread of its own; putting one never waits.

    Args:
        name: Name of the thread.
        handle: Called in the thread with each item that was not superseded.
        on_failure: Called in the thread with what was raised there; the thread goes on.
        between: Called in the thread before each look into the slot.
        idle: Seconds after which it looks again though nothing has come; None: it does not.

    Attributes:
        superseded: How many items a newer one replaced before their turn came.
    """

    def __init__(
        self,
        name: str,
        handle: Callable[[Item], None],
        on_failure: Callable[[Exception], None],
        between: Callable[[], None] = lambda: None,
        idle: float | None = None,
    ):
        self._handle, self._on_failure = handle, on_failure
        self._between, self._idle = between, idle
        self._change = threading.Condition()
        self._item: Item | None = None
        self._closed = False
        self.superseded = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; what was put before is handled then."""
        self._thread.start()

    @property
    def full(self) -> bool:
        """Whether an item waits."""
        return self._item is not None

    def put(self, item: Item) -> Item | None:
        """Put an item in; return the one that it replaced, None where the slot was empty."""
        with self._change:
            replaced, self._item = self._item, item
            self.superseded += replaced is not None
            self._change.notify()
            return replaced

    def take(self) -> Item | None:
        """Take the item that waits away from the thread; None where there is none."""
        with self._change:
            item, self._item = self._item, None
            return item

    def wake(self) -> None:
        """Let the thread look around, though nothing has come."""
        with self._change:
            self._change.notify()

    def close(self) -> None:
        """Handle what still waits, then end the thread."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self._between()
                with self._change:
                    if self._item is None and not self._closed:
                        self._change.wait(self._idle)
                    item, self._item = self._item, None
                    ended = self._closed and item is None
                if item is not None:
                    self._handle(item)
                elif ended:
                    return
            except Exception as failure:  # a thread that ends would leave the node mute
                self._on_failure(failure)


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
