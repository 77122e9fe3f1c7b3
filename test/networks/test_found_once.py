# SPDX-License-Identifier: Apache-2.0
import threading
from dataclasses import dataclass

from effocc_ros.networks.found_once import found_once


@dataclass(frozen=True)
class Square:
    """Something with a property that takes a while."""

    side: int
    asked: list
    together: threading.Barrier | None = None

    @found_once
    def area(self) -> int:
        """Its area."""
        self.asked.append(self.side)
        if self.together:
            self.together.wait()
        return self.side**2


def test_a_property_is_computed_once():
    square = Square(3, [])
    assert [square.area, square.area] == [9, 9]
    assert square.asked == [3]
    assert Square.area.__doc__ == "Its area."


def test_two_threads_find_the_property_of_two_objects_at_a_time():
    together = threading.Barrier(2, timeout=30)
    squares = [Square(side, [], together) for side in (2, 5)]
    areas = []
    threads = [threading.Thread(target=lambda s=s: areas.append(s.area)) for s in squares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(areas) == [4, 25]
