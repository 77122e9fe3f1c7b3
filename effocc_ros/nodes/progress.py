"""Which frames are under way, and up to which stamp everything has ended."""

import threading
from collections import OrderedDict


class Progress:
    """Follows each reference stamp from its trigger to its end as a frame or as a drop.

    Attributes:
        handled_until: Stamp up to which every frame has ended, in the order of their triggers;
            0 before the first.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._ended: OrderedDict[int, bool] = OrderedDict()
        self.handled_until = 0

    def begin(self, stamp: int) -> None:
        """Note that a trigger of this stamp is under way."""
        with self._lock:
            self._ended[stamp] = False

    def end(self, stamp: int) -> None:
        """Note that it ended; one that never began ended at once."""
        with self._lock:
            self._ended[stamp] = True
            while self._ended and next(iter(self._ended.values())):
                self.handled_until, _ = self._ended.popitem(last=False)

    @property
    def under_way(self) -> int:
        """How many have begun and not ended."""
        with self._lock:
            return sum(not ended for ended in self._ended.values())
