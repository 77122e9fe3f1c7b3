# SPDX-License-Identifier: Apache-2.0
"""A property that is computed when it is first asked for, by threads that do not wait."""

from collections.abc import Callable
from typing import Any


class found_once:
    """As functools.cached_property, without the lock that it has before Python 3.12.

    There all objects of a class share one, so two threads never compute the property of two
    objects at a time. Threads that ask the same object at once both compute it.

    Args:
        function: Computes the property of an object.
    """

    def __init__(self, function: Callable[[Any], Any]):
        self._function, self.__doc__ = function, function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        # What an object itself has goes before this, so it is asked no second time.
        found = instance.__dict__[self._name] = self._function(instance)
        return found
