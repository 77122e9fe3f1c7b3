# SPDX-License-Identifier: Apache-2.0
"""Which rows of a bag's index are of which topic, and of how many types a topic is."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from effocc_ros.bags.storage import CDR, INDEX, Storage

ROW = np.dtype([("part", "<i4"), *INDEX.descr])
"""One message of a bag: which of its files has it, and where."""

Kind = tuple[str, str]
"""A topic's name and type."""


class TopicRows:
    """The rows of a bag's index, topic by topic.

    Args:
        rows: Structured array with fields part and topic, one row for each message.
        named: From a row's part and topic to the topic's name and type.
    """

    def __init__(self, rows: NDArray, named: Callable[[int, int], Kind]):
        self._rows = rows
        keys = rows["part"].astype(np.int64) << 32 | rows["topic"]
        found, self._place, counts = np.unique(keys, return_inverse=True, return_counts=True)
        self._kinds = [named(int(key) >> 32, int(key) & 0xFFFFFFFF) for key in found]
        self.counts: Counter[Kind] = Counter()
        """Messages of each name and type."""
        for kind, count in zip(self._kinds, counts.tolist(), strict=True):
            self.counts[kind] += count

    def usual(self, kinds: Iterable[Kind]) -> dict[str, str]:
        """Return name -> type, of a name with several that with most messages.

        Args:
            kinds: Names and types that are announced, whether or not there are messages.
        """
        types: dict[str, str] = {}
        for name, msgtype in kinds:
            known = types.get(name)
            if known is None or self.counts[name, known] < self.counts[name, msgtype]:
                types[name] = msgtype
        return types

    def others(self, types: Mapping[str, str]) -> dict[Kind, int]:
        """Return the messages whose type is not their topic's."""
        return {kind: count for kind, count in self.counts.items() if types[kind[0]] != kind[1]}

    def of(self, topics: Collection[str], types: Mapping[str, str], stop: int) -> NDArray:
        """Return the rows of some topics that have the topic's type, out of the first ``stop``."""
        wanted = [name in topics and types[name] == msgtype for name, msgtype in self._kinds]
        chosen = np.array(wanted, bool)[self._place[:stop]]
        return self._rows[:stop][chosen]


def index_rows(number: int, part: Storage) -> NDArray:
    """Return the index of a part's messages that are serialised as ROS 2 does."""
    used = [id_ for id_, topic in part.topics.items() if topic.encoding == CDR]
    index = part.index[np.isin(part.index["topic"], used)]
    rows = np.empty(len(index), ROW)
    rows["part"] = number
    for name in INDEX.names:
        rows[name] = index[name]
    return rows
