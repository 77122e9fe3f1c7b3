# SPDX-License-Identifier: Apache-2.0
"""Which sensor makes the frames."""

from collections.abc import Callable

from effocc_ros.stream.silence import SilenceWatch


class ReferenceChoice:
    """Chooses the first sensor, in order, that is not silent.

    The one that makes the frames gives way to another only once all before that other are silent
    or of no use, and a sensor that comes back takes over again with its first message.

    Args:
        order: Sensors that may make the frames, the preferred one first.
        silence: Knows which inputs are silent; is told of each message before :meth:`makes`.
        useless: Whether a sensor's messages cannot be matched with the others'.

    Attributes:
        sensor: The one that makes the frames now.
    """

    def __init__(
        self, order: tuple[str, ...], silence: SilenceWatch, useless: Callable[[str], bool]
    ):
        self._silence, self._useless = silence, useless
        self.reconfigure(order)

    def reconfigure(self, order: tuple[str, ...]) -> None:
        """Begin anew with another order."""
        self._order, self.sensor = order, order[0]

    def makes(self, sensor: str, now: float) -> bool:
        """Return whether a message that has just come makes a frame.

        Args:
            sensor: Whose message it is.
            now: Seconds on the caller's clock.
        """
        if sensor == self.sensor:
            return True
        if sensor not in self._order or self._useless(sensor):
            return False
        place = self._order.index(sensor)
        if place > self._order.index(self.sensor) and not all(
            self._silence.silent(other, sensor, now) or self._useless(other)
            for other in self._order[:place]
        ):
            return False
        self.sensor = sensor
        return True
