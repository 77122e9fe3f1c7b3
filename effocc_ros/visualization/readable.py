# SPDX-License-Identifier: Apache-2.0
"""The moments of a data set whose files can be read."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from effocc_ros.datasets.sample import Sample
from effocc_ros.errors import InputError
from effocc_ros.evaluation.presence import LeftOut
from effocc_ros.visualization.scene import Moment


def readable_moments(
    places: Sequence[int],
    read: Callable[[int], Sample],
    show: Callable[[Sample], Moment],
    say: Callable[[str], Any],
) -> Iterator[Moment]:
    """Show samples one after another; those of which a file is absent or broken are left out.

    Args:
        places: Indices of the samples.
        read: Reads one.
        show: Makes a moment of it.
        say: Takes what was left out, in one line, at the end.

    Raises:
        InputError: None of them can be read.
    """
    left_out = LeftOut(len(places))
    for place in places:
        try:
            sample = read(place)
        except InputError as error:
            left_out.take(error)
            continue
        yield show(sample)
    if len(left_out.broken) == len(places) > 0:
        raise left_out.broken[0]
    if left_out.broken:
        say(str(left_out))
