# SPDX-License-Identifier: Apache-2.0
"""LiDARs that publish on one topic, told apart by the tf frames of their sweeps.

They become further LiDARs of the stream, as those are that have topics of their own.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.config import StreamConfig
from effocc_ros.stream.report import Remark

SAME_MOMENT = 0.6
"""Periods within which one LiDAR does not send twice."""

MOST = 8
"""LiDARs of one topic; more frames are no sensors but bytes gone wrong."""


class SharedTopics:
    """Knows which sweeps of a topic are whose."""

    def __init__(self):
        self._names: dict[str, dict[str, str]] = {}
        """LiDAR of a topic -> tf frame -> name of the LiDAR that has it."""
        self._last: dict[str, tuple[str, int]] = {}
        """LiDAR of a topic -> frame and stamp of its last sweep."""
        self._counts: Counter[tuple[str, str]] = Counter()
        """LiDAR of a topic and one of its known frames -> sweeps."""

    def name_of(
        self,
        lidar: str,
        frame_id: str,
        stamp: int,
        period: float,
        placed: Callable[[str], bool],
    ) -> str:
        """Return the name of the LiDAR that a sweep is of.

        A frame that comes beside another one, or in turn with it, is a second LiDAR if it has a
        place on the vehicle. One that takes another's place is a new name of the same. Of two
        in turn the one that comes more often keeps the LiDAR's name.

        Args:
            lidar: The LiDAR whose topic it came on.
            frame_id: Its tf frame; empty ones tell nothing.
            stamp: Nanoseconds.
            period: Seconds between that LiDAR's sweeps; 0 while that is not known.
            placed: Whether it is known where a frame is on the vehicle.
        """
        if not frame_id:
            return lidar
        names = self._names.setdefault(lidar, {frame_id: lidar})
        before, at = self._last.get(lidar, (frame_id, stamp))
        self._last[lidar] = frame_id, stamp
        if frame_id not in names and len(names) < MOST:
            beside = not period or abs(stamp - at) < SAME_MOMENT * period * NANOSECONDS
            names[frame_id] = f"{lidar}/{frame_id}" if beside and placed(frame_id) else lidar
        elif frame_id != before and names.get(before) == names.get(frame_id) == lidar:
            rarer = min(before, frame_id, key=lambda frame: self._counts[lidar, frame])
            names[rarer] = f"{lidar}/{rarer}" if placed(rarer) else lidar
        if frame_id in names:
            self._counts[lidar, frame_id] += 1
        return names.get(frame_id, lidar)

    def topic_of(self, name: str) -> str:
        """Return the LiDAR on whose topic one comes: itself, or the one that it shares it with."""
        owners = (lidar for lidar, names in self._names.items() if name in names.values())
        return next(owners, name)

    @property
    def added(self) -> tuple[str, ...]:
        """Names of the LiDARs that have no topic of their own."""
        return tuple(
            name
            for lidar, names in self._names.items()
            for name in dict.fromkeys(names.values())
            if name != lidar
        )

    def expanded(self, config: StreamConfig) -> StreamConfig:
        """Return a config with the LiDARs that have no topic of their own."""
        added = {
            lidar: [name for name in self._names.get(lidar, {}).values() if name != lidar]
            for lidar in config.lidars
        }
        others = tuple(name for names in added.values() for name in names)
        if not others:
            return config
        offsets = dict(config.clock_offsets)
        for lidar, names in added.items():
            offsets |= {name: offsets[lidar] for name in names if lidar in offsets}
        return replace(
            config,
            other_lidars=(*config.other_lidars, *others),
            standby=(*others, *config.standby)
            if config.lidar in config.references
            else config.standby,
            clock_offsets=offsets,
        )

    def remark(self, lidar: str) -> Remark:
        """Return what to say of a topic with several LiDARs."""
        frames = " and ".join(f"'{frame}'" for frame in self._names[lidar])
        text = (
            f"points of {lidar}: found sweeps of the frames {frames} in turn; expected one LiDAR "
            "on a topic. They are taken for several LiDARs and merged; give each its own topic, "
            "and name it in the rig (lidars)."
        )
        return Remark("several_lidars", text)
