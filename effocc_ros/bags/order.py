# SPDX-License-Identifier: Apache-2.0
"""In which order a bag's messages are used: offline nothing is late.

Recorders log messages late, by another clock, or topic by topic. What belongs together is told by
header stamps, and so those make the order, wherever a message lies in the file:

1. /tf_static as a whole, for it holds at all times; of every other tf frame the first pose, and of
   every camera the first CameraInfo, for those may be sent once or be slow;
2. everything else by its stamp, poses and CameraInfo some seconds ahead, so that a pose between
   two others is interpolated, never extrapolated.

Nothing is kept for that but the index: messages are read when their turn comes. A recording whose
clock begins anew, as of a simulation that was reset, has two moments of the same stamp; that one
is used in the order of recording.
"""

import logging
import struct
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from statistics import median_high
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effocc_ros.bags.one_clock import arrivals, by_one_clock, dated
from effocc_ros.errors import InputError
from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.trigger import JUMP_BACK

logger = logging.getLogger(__name__)

TF = "tf2_msgs/msg/TFMessage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
ODOMETRY = "nav_msgs/msg/Odometry"
AHEAD = (TF, CAMERA_INFO, ODOMETRY)
"""Types that tell how sensors' data are to be understood."""

SENSORS = (
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/CompressedImage",
    "sensor_msgs/msg/PointCloud2",
)

STAMPED = (*AHEAD, *SENSORS)

LEAD = 5 * NANOSECONDS
"""How far ahead of sensors' data poses are read; the stream keeps those of 10 s."""

MOST_BACK = 0.25
"""Share of steps back in time above which messages are in no order, and not in several laps."""

STATIC, FIRST, REST = range(3)

Rows = NDArray
"""Structured array with fields part, topic and log_time, one row for each message."""


def order_of_use(
    rows: Rows,
    named: Callable[[int, int], tuple[str, str]],
    message: Callable[..., Any],
    clock_offsets: Mapping[str, int],
) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of rows in the order of use, the moment of each, and when it came.

    Moments, nanoseconds, never go back, unless the recording's own clock does: they are the clock
    by which a stream waits.

    Reads every message once, in the order of the file.

    Args:
        rows: The messages.
        named: From a row's part and topic to the topic's name and type.
        message: From a row (and a count of bytes) to its message (or the beginning of it).
        clock_offsets: Topic -> nanoseconds that are added to its stamps.
    """
    pairs = np.unique(rows[["part", "topic"]]).tolist()
    kinds = {pair: named(*pair) for pair in pairs}
    places = _places(rows, kinds)
    stamps, children = _stamps(rows, kinds, message)
    for (name, msgtype), at in places.items():
        if _has_stamps(name, msgtype):
            stamps[at] += clock_offsets.get(name, 0)
    stamps = dated(stamps, rows["log_time"])
    stamped = [at for kind, at in places.items() if _has_stamps(*kind)]
    recorded = [_recorded(stamps, rows, places[each]) for each in places if each[1] in SENSORS]
    if _is_recorded_anew(recorded):
        times, lead = rows["log_time"].copy(), 0
    else:
        times, lead = by_one_clock(stamps, rows["log_time"], stamped), LEAD
    came = arrivals(times, rows["log_time"], stamped)
    group = np.full(len(rows), REST)
    for (name, msgtype), at in places.items():
        ordered = at[np.argsort(times[at], kind="stable")]
        if msgtype == TF and is_static(name):
            group[at] = STATIC
        elif msgtype == TF:
            group[_first_of_each(ordered, children)] = FIRST
        elif msgtype == CAMERA_INFO:
            group[ordered[0]] = FIRST
        if msgtype in AHEAD:
            times[at] -= lead
    rest = times[group == REST]
    if len(rest):
        times[group < REST] = rest.min()
    order = np.lexsort((rows["log_time"], times, group))
    return order, times[order], came[order]


def _stamps(
    rows: Rows, kinds: dict[tuple[int, int], tuple[str, str]], message: Callable[..., Any]
) -> tuple[NDArray[np.int64], dict[int, tuple[str, ...]]]:
    """Read the stamp of every message, its log time where it has none, and tf's child frames."""
    stamps = rows["log_time"].copy()
    children: dict[int, tuple[str, ...]] = {}
    same: dict[tuple[str, ...], tuple[str, ...]] = {}
    for start in range(0, len(rows), 1000):
        for place, row in enumerate(rows[start : start + 1000].tolist(), start):
            name, msgtype = kinds[row[:2]]
            if not _has_stamps(name, msgtype):
                continue
            if msgtype == TF:
                stamps[place], frames = _poses(message(row), row[2])
                children[place] = same.setdefault(frames, frames)
            else:
                stamps[place] = _header_stamp(message(row, 12).raw, row[2])
    return stamps, children


def _has_stamps(topic: str, msgtype: str) -> bool:
    """Return whether the stamps of a topic tell when its messages are of use."""
    return msgtype in STAMPED and not is_static(topic)


def _is_recorded_anew(recorded: list[NDArray[np.int64]]) -> bool:
    """Return whether the recording's clock begins anew, or was set back, which is logged."""
    steps = [set_back(each) for each in recorded]
    if steps and all(steps):
        logger.warning(
            "stamps of all sensors go back by %.2f s within the recording, as of a clock that was "
            "set back: messages of that time are there twice, and used as they were recorded",
            max(steps) / NANOSECONDS,
        )
        return True
    return any(begins_anew(each) for each in recorded)


def is_static(topic: str) -> bool:
    """Return whether a topic holds transforms that are true at all times."""
    return topic.rsplit("/", 1)[-1] == "tf_static"


def begins_anew(stamps: NDArray[np.int64]) -> bool:
    """Return whether stamps go back to a time that was there before.

    Args:
        stamps: Of one sensor, nanoseconds, in the order of recording.
    """
    newest = np.maximum.accumulate(stamps)
    back = stamps < newest - JUMP_BACK
    # One message that comes late is between others that do not.
    beside = np.append(back[1:], False) | np.append(False, back)[: len(back)]
    steady = stamps[~back | beside]
    steps = np.diff(steady)
    ends = np.flatnonzero(steps < -JUMP_BACK) + 1
    if not len(ends) or (steps < 0).mean() > MOST_BACK:
        return False
    laps = sorted((int(lap.min()), int(lap.max())) for lap in np.split(steady, ends) if len(lap))
    return any(first[1] - second[0] > JUMP_BACK for first, second in pairwise(laps))


def set_back(stamps: NDArray[np.int64]) -> int:
    """Return the nanoseconds by which a sensor's clock was set back; 0 where it was not.

    More than a second is a new beginning. Single messages that come late are nothing of the kind.

    Args:
        stamps: Of one sensor, nanoseconds, in the order of recording.
    """
    if len(stamps) < 3:
        return 0
    depths = np.maximum.accumulate(stamps) - stamps
    if depths.max() > JUMP_BACK or (np.diff(stamps) < 0).mean() > MOST_BACK:
        return 0
    together = np.append((depths[1:] > 0) & (depths[:-1] > 0), False)
    return int(depths[together].max(initial=0))


def _places(
    rows: Rows, kinds: dict[tuple[int, int], tuple[str, str]]
) -> dict[tuple[str, str], NDArray[np.intp]]:
    """Return where the messages of each topic are; a topic may be in several parts."""
    found: dict[tuple[str, str], NDArray[np.intp]] = {}
    for (part, topic), kind in kinds.items():
        at = np.flatnonzero((rows["part"] == part) & (rows["topic"] == topic))
        found[kind] = np.sort(np.concatenate([found[kind], at])) if kind in found else at
    return found


def _recorded(stamps: NDArray[np.int64], rows: Rows, at: NDArray[np.intp]) -> NDArray[np.int64]:
    return stamps[at[np.argsort(rows["log_time"][at], kind="stable")]]


def _header_stamp(raw: bytes, otherwise: int) -> int:
    """Read the stamp of a message that begins with a header."""
    if len(raw) < 12:
        return otherwise
    seconds, nanoseconds = struct.unpack_from("<iI" if raw[1] & 1 else ">iI", raw, 4)
    return seconds * NANOSECONDS + nanoseconds


def _poses(message: Any, log_time: int) -> tuple[int, tuple[str, ...]]:
    """Return the stamp of a TFMessage's transforms and the frames that these place.

    Some may be stale, as those of joints that never move: it is the one in the middle.
    """
    try:
        transforms = message.decode().transforms
    except InputError:
        return log_time, ()
    stamps = [
        each.header.stamp.sec * NANOSECONDS + each.header.stamp.nanosec for each in transforms
    ]
    stamp = median_high(stamps) if stamps else log_time
    return stamp, tuple(each.child_frame_id for each in transforms)


def _first_of_each(ordered: Iterable[int], children: dict[int, tuple[str, ...]]) -> list[int]:
    known: set[str] = set()
    first = []
    for place in ordered:
        new = set(children[place]) - known
        if new:
            known |= new
            first.append(place)
    return first
