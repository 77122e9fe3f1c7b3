# SPDX-License-Identifier: Apache-2.0
"""Sensors whose stamps are of another clock than the others', put in order with them.

A camera may count from its power-up. Whether and how that is mended is told elsewhere; here it
only must not come as a whole before or after all else.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.clocks import SINCE_BOOT
from effocc_ros.stream.trigger import JUMP_BACK

LATE = 10 * NANOSECONDS
"""Recorders log no message later than that."""


def by_one_clock(
    stamps: NDArray[np.int64], log_times: NDArray[np.int64], topics: Sequence[NDArray[np.intp]]
) -> NDArray[np.int64]:
    """Return stamps as if all were of the clock that most messages have.

    A clock is another one where its stamps never meet those of the others, though the messages
    were recorded at the same time.

    Args:
        stamps: Nanoseconds.
        log_times: When each message was recorded, nanoseconds.
        topics: The places of each topic's messages.
    """
    clocks = _clocks(stamps, topics)
    if len(clocks) < 2:
        return stamps
    main = max(clocks, key=len)
    shifted, ahead = stamps.copy(), np.median(stamps[main] - log_times[main])
    begin, end = log_times[main].min(), log_times[main].max()
    for clock in clocks:
        together = log_times[clock].min() <= end and begin <= log_times[clock].max()
        if clock is not main and together:
            shifted[clock] += round(ahead - np.median(stamps[clock] - log_times[clock]))
    return shifted


def dated(stamps: NDArray[np.int64], log_times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return stamps of which those that are no dates, among others that are, tell when they came.

    A sensor may count from its power-up until it has the time, and single messages have stamp 0.
    They are put where they were recorded; whether they are of use is told elsewhere.

    Args:
        stamps: Nanoseconds.
        log_times: When each message was recorded, nanoseconds.
    """
    wrong = stamps < SINCE_BOOT * NANOSECONDS
    if not 0 < np.count_nonzero(wrong) < len(stamps) / 2:
        return stamps
    ahead = round(float(np.median((stamps - log_times)[~wrong])))
    return np.where(wrong, log_times + ahead, stamps)


def arrivals(
    moments: NDArray[np.int64], log_times: NDArray[np.int64], topics: Sequence[NDArray[np.intp]]
) -> NDArray[np.int64]:
    """Return when messages came, by log time unless that cannot be: then when they are used.

    A topic that was made or converted afterwards may have been logged on another day, or as fast
    as a disk can write, with stamps of the drive.

    Args:
        moments: When each message was made, nanoseconds of the clock of the stamps.
        log_times: When each was recorded.
        topics: The places of the messages of each topic that has stamps.
    """
    came = log_times.copy()
    if topics:
        at = np.concatenate(topics)
        live = [each for each in topics if _is_live(moments[each], log_times[each])]
        told = np.concatenate(live) if live else at[:0]
        usual = np.median((log_times - moments)[told if len(told) else at])
        duration = int(np.ptp(moments[at]))
        absurd = np.abs(log_times[at] - moments[at] - usual) > max(duration, LATE)
        absurd |= ~np.isin(at, told)
        came[at[absurd]] = moments[at[absurd]] + round(usual)
    return came


def _is_live(moments: NDArray[np.int64], log_times: NDArray[np.int64]) -> bool:
    """Return whether a topic's log times run as its stamps do, and not faster or slower."""
    made, logged = int(np.ptp(moments)), int(np.ptp(log_times))
    return made < JUMP_BACK or made / 2 < logged < 2 * made + LATE


def _clocks(
    stamps: NDArray[np.int64], topics: Sequence[NDArray[np.intp]]
) -> list[NDArray[np.intp]]:
    """Return the messages of each clock: of topics whose times, taken together, have no gap."""
    clocks: list[NDArray[np.intp]] = []
    newest = 0
    for at in sorted(topics, key=lambda at: stamps[at].min()):
        if clocks and stamps[at].min() <= newest + JUMP_BACK:
            clocks[-1] = np.concatenate([clocks[-1], at])
            newest = max(newest, stamps[at].max())
        else:
            clocks.append(at)
            newest = stamps[at].max()
    return clocks
