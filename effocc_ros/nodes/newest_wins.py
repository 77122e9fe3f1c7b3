"""A thread with a mailbox of one slot: what is newer replaces what still waits."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class NewestWins(Generic[Item]):
    """Handles items in a thread of its own, the newest first; putting one never waits.

    Args:
        handle: Called in the thread with each item that was not superseded.
        on_failure: Called in the thread with what ``handle`` raised; the thread goes on.
        name: Name of the thread.

    Attributes:
        superseded: How many items were replaced before their turn came.
    """

    def __init__(
        self, handle: Callable[[Item], None], on_failure: Callable[[Exception], None], name: str
    ):
        self._handle, self._on_failure = handle, on_failure
        self._change = threading.Condition()
        self._waiting: list[Item] = []
        self._closed = False
        self.superseded = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Hand an item over; one that still waits is dropped and counted."""
        with self._change:
            self.superseded += len(self._waiting)
            self._waiting = [item]
            self._change.notify()

    def close(self) -> None:
        """Handle what still waits, then end the thread."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                item = self._waiting.pop()
            try:
                self._handle(item)
            except Exception as failure:  # a thread that ends would leave every view mute
                self._on_failure(failure)
