# SPDX-License-Identifier: Apache-2.0
"""Which sensor makes the frames."""

from collections.abc import Callable


class ReferenceChoice:
    """Keeps to the first sensor, in order, that is not silent.

    The one that makes the frames gives way to another when the caller finds it silent, and a
    sensor that comes back takes over again with its first message.

    Args:
        order: Sensors that may make the frames, the preferred one first.
        useless: Whether a sensor's messages cannot be matched with the others'.

    Attributes:
        order: As given.
        sensor: The one that makes the frames now.
    """

    def __init__(self, order: tuple[str, ...], useless: Callable[[str], bool]):
        self._useless = useless
        self.reconfigure(order)

    def reconfigure(self, order: tuple[str, ...]) -> None:
        """Begin anew with another order."""
        self.order, self.sensor = order, order[0]

    def makes(self, sensor: str) -> bool:
        """Return whether a sensor's message that has just come makes a frame."""
        if sensor == self.sensor:
            return True
        if sensor not in self.order or self._useless(sensor):
            return False
        if self.order.index(sensor) > self.order.index(self.sensor):
            return False
        self.sensor = sensor
        return True

    def give_way(self, sensor: str) -> None:
        """Let another sensor make the frames, until one before it is back."""
        self.sensor = sensor
