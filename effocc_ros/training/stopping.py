# SPDX-License-Identifier: Apache-2.0
"""Ending a training in good order: by signal, or when its time is over."""

import signal
import threading
import time
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopper:
    """Notes that the process shall end, so that the loop can finish its step and save.

    A second signal of the same kind does what it did before.

    Args:
        max_seconds: Wall time of the training; 0 for no limit.
        spent: Seconds that earlier processes of the same training took.

    Attributes:
        signal: The signal that came, or 0.
    """

    def __init__(self, max_seconds: float = 0.0, spent: float = 0.0):
        self.signal = 0
        self._max, self._start = max_seconds, time.monotonic() - spent
        self._before: dict[int, object] = {}

    @property
    def seconds(self) -> float:
        """Wall time of the training so far."""
        return time.monotonic() - self._start

    def share(self, seconds: float) -> float:
        """Return the part of the time that is over after so many seconds; 0 without a limit."""
        return seconds / self._max if self._max else 0.0

    def __enter__(self) -> "Stopper":
        # Signals are heard by the main thread alone; elsewhere nobody stops a training.
        heard = threading.current_thread() is threading.main_thread()
        for number in SIGNALS if heard else ():
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        signal.signal(number, self._before[number])
