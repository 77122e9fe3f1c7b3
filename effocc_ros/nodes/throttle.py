# SPDX-License-Identifier: Apache-2.0
"""Say a thing once, then hold it back for a while and count."""

import threading
from collections.abc import Hashable


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
