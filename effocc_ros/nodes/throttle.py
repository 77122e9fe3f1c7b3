# SPDX-License-Identifier: Apache-2.0
"""Say a thing once, then hold it back for a while and count."""

import threading
import time
from collections.abc import Hashable

from rclpy.impl.rcutils_logger import RcutilsLogger

QUIET_SECONDS = 5.0
"""A warning about the same source for the same reason is not repeated sooner."""

LONGEST_LINE = 600
"""Characters of a warning that are logged: texts in a damaged message may be of any length."""


class Throttle:
    """Lets each key through once per period and counts what it held back.

    Args:
        period: Seconds of silence after a key was let through.
    """

    def __init__(self, period: float):
        self._period = period
        self._lock = threading.Lock()
        self._state: dict[Hashable, tuple[float, int]] = {}

    def allow(self, key: Hashable, now: float) -> int | None:
        """Ask whether to speak about a key.

        Args:
            key: What is spoken about.
            now: Any monotonic clock, seconds.

        Returns:
            How often the key was held back since it last spoke, or None to stay silent.
        """
        with self._lock:
            last, held = self._state.get(key, (None, 0))
            if last is not None and now - last < self._period:
                self._state[key] = (last, held + 1)
                return None
            self._state[key] = (now, 0)
            return held


class ThrottledWarnings:
    """Warnings for the log, each once per ``QUIET_SECONDS``, with what was held back counted.

    Args:
        logger: Where they go.
    """

    def __init__(self, logger: RcutilsLogger):
        self._logger, self._throttle = logger, Throttle(QUIET_SECONDS)

    def say(self, source: str, reason: str, text: str) -> None:
        """Log a text, unless one of the same source and reason was logged just now."""
        held = self._throttle.allow((source, reason), time.monotonic())
        if held is not None:
            more = f" ({held} more since the last such line)" if held else ""
            shown = text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE]} ..."
            self._logger.warning(f"{shown}{more}")
