"""A tree of tf frames over time: interpolates, and limits extrapolation.

Fed with tf messages, it serves the node and the bag path alike.
"""

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.geometry import interpolate_rigid, inverse_rigid, rigid
from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.trigger import JUMP_BACK

PATIENCE = 3
"""A dynamic edge that nobody repeats gives way to one that contradicts it this often."""


class Transform(NamedTuple):
    """One edge of the tf tree: frames, stamp in nanoseconds, (4, 4) child to parent."""

    parent: str
    child: str
    stamp: int
    pose: NDArray[np.float64]


def read_transform(message: Any) -> Transform:
    """Read a geometry_msgs/TransformStamped.

    Raises:
        InputError: The quaternion has no unit length, or a number is not finite.
    """
    position, rotation = message.transform.translation, message.transform.rotation
    parent, child = message.header.frame_id, message.child_frame_id
    quaternion = np.array([rotation.w, rotation.x, rotation.y, rotation.z])
    translation = np.array([position.x, position.y, position.z])
    length = np.linalg.norm(quaternion)
    if not np.isfinite(translation).all() or not abs(length - 1.0) < 0.1:
        raise InputError(
            f"tf {parent} <- {child}",
            found=f"quaternion of length {length:.3g}, translation {translation.tolist()}",
            expected="a unit quaternion and finite metres",
            do="Look at who publishes it",
            reason="bad_transform",
        )
    header = message.header.stamp
    stamp = int(header.sec) * NANOSECONDS + int(header.nanosec)
    return Transform(parent, child, stamp, rigid(quaternion / length, translation))


@dataclass
class _Edge:
    """What is known of one child frame: child-to-parent poses, oldest first."""

    parent: str
    static: bool
    received: int = 0
    stamps: list[int] = field(default_factory=list)
    poses: dict[int, NDArray[np.float64]] = field(default_factory=dict)


class TransformBuffer:
    """Poses of frames in each other at any time that is covered.

    Args:
        cache_s: Seconds of history kept per edge.
        max_extrapolation_s: How far beyond the known stamps a pose may be asked for. There the
            nearest known motion goes on at its speed; a lone pose holds.
    """

    def __init__(self, cache_s: float = 10.0, max_extrapolation_s: float = 0.1):
        self._cache = round(cache_s * NANOSECONDS)
        self._reach = round(max_extrapolation_s * NANOSECONDS)
        self._edges: dict[str, _Edge] = {}
        self._refused: dict[tuple[str, str], tuple[int, dict[str, int]]] = {}

    def add(
        self, parent: str, child: str, stamp: int, pose: NDArray[np.float64], static: bool = False
    ) -> None:
        """Add one transform.

        An edge that is published both as static and as dynamic is treated as dynamic: the poses
        over time say more. A frame that gets another parent begins anew under it. A dynamic edge
        that would close a loop replaces the one it contradicts when only it is repeated.

        Args:
            parent: Parent frame.
            child: Child frame.
            stamp: Nanoseconds; of no meaning for a static edge.
            pose: (4, 4) child to parent.
            static: True for an edge that holds at all times.

        Raises:
            InputError: A frame has no name, or the edge would close a loop.
        """
        parent, child = parent.lstrip("/"), child.lstrip("/")
        _check_names(parent, child)
        self._open_loop(parent, child)
        edge = self._edges.get(child)
        known = edge is not None and edge.parent == parent
        if known and static and not edge.static:
            return
        if not known or edge.static != static:
            self._edges[child] = edge = _Edge(parent, static)
        edge.received += 1
        if static:
            edge.stamps, edge.poses = [0], {0: pose}
            return
        if edge.stamps and stamp < edge.stamps[-1] - JUMP_BACK:
            edge.stamps, edge.poses = [], {}
        if stamp not in edge.poses:
            insort(edge.stamps, stamp)
        edge.poses[stamp] = pose
        while edge.stamps[0] < edge.stamps[-1] - self._cache:
            del edge.poses[edge.stamps.pop(0)]

    def lookup(self, target: str, source: str, stamp: int) -> NDArray[np.float64]:
        """Return the (4, 4) transform from ``source`` to ``target`` at ``stamp``.

        Raises:
            InputError: A frame is unknown, the two are not connected, or the stamp lies too far
                beyond what is known.
        """
        return self._chain(target, source, lambda child: self._pose_at(child, stamp))

    def mounting(self, target: str, source: str, stamp: int) -> NDArray[np.float64]:
        """Return the transform between two frames that do not move in each other.

        Some bags tell where a sensor sits only now and then; as it is bolted on, the pose known
        nearest in time holds, however far it is.

        Raises:
            InputError: A frame is unknown, or the two are not connected.
        """
        return self._chain(target, source, lambda child: self._nearest_pose(child, stamp))

    def connected(self, target: str, source: str) -> bool:
        """Return whether a chain of transforms between the two frames is known."""
        try:
            self._path(target, source)
        except InputError:
            return False
        return True

    def covers(self, target: str, source: str, stamp: int) -> bool:
        """Return whether no transform still to come would change what is known of ``stamp``."""
        try:
            up, down = self._path(target, source)
        except InputError:
            return False
        edges = (self._edges[child] for child in (*up, *down))
        return all(
            edge.static or edge.stamps[0] - self._reach <= stamp <= edge.stamps[-1]
            for edge in edges
        )

    def has_frame_at(self, frame: str, translation: NDArray, stamp: int) -> bool:
        """Return whether another frame has the axes of one and its origin at (3,) metres in it."""
        slack = 0.002 + 0.05 * np.linalg.norm(translation)
        frame = frame.lstrip("/")
        for other in {*self._edges, *(edge.parent for edge in self._edges.values())} - {frame}:
            if self.connected(frame, other):
                pose = self.mounting(frame, other, stamp)
                near = np.linalg.norm(pose[:3, 3] - translation) < slack
                if near and np.trace(pose[:3, :3]) > 2.997:  # axes within three degrees
                    return True
        return False

    def too_early(self, target: str, source: str, stamp: int) -> bool:
        """Return whether :meth:`lookup` fails now and would not with newer transforms."""
        try:
            up, down = self._path(target, source)
        except InputError:
            return False
        edges = [self._edges[child] for child in (*up, *down)]
        newest = [edge.stamps[-1] for edge in edges if not edge.static]
        return any(stamp > known + self._reach for known in newest)

    def _open_loop(self, parent: str, child: str) -> None:
        """Refuse an edge that closes a loop, or forget what it contradicts and nobody repeats."""
        above = self._ancestors(parent)
        if child not in above:
            return
        loop = {name: self._edges[name].received for name in above[: above.index(child)]}
        count, before = self._refused.get((parent, child), (0, loop))
        lonely = [
            name
            for name, received in loop.items()
            if received == before.get(name) and not self._edges[name].static
        ]
        if count >= PATIENCE and lonely:
            del self._edges[lonely[0]], self._refused[parent, child]
            return
        self._refused[parent, child] = (count + 1, before)
        raise InputError(
            "tf",
            found=f"'{parent}' below '{child}' and '{child}' below '{parent}'",
            expected="a tree without loops",
            do="Stop one of the two publishers",
            reason="tf_loop",
        )

    def _ancestors(self, frame: str) -> list[str]:
        """The frame itself, its parent, and so on up to the root."""
        names = [frame]
        while names[-1] in self._edges:
            names.append(self._edges[names[-1]].parent)
        return names

    def _path(self, target: str, source: str) -> tuple[list[str], list[str]]:
        """Children of the edges from ``source`` up to the meeting point, and from ``target``."""
        up = self._ancestors(source.lstrip("/"))
        down = self._ancestors(target.lstrip("/"))
        meeting = next((name for name in up if name in down), None)
        if meeting is None:
            raise self._not_connected(up, down)
        return up[: up.index(meeting)], down[: down.index(meeting)]

    def _chain(self, target: str, source: str, pose) -> NDArray[np.float64]:
        up, down = self._path(target, source)
        source2meeting, target2meeting = np.eye(4), np.eye(4)
        for child in up:
            source2meeting = pose(child) @ source2meeting
        for child in down:
            target2meeting = pose(child) @ target2meeting
        return inverse_rigid(target2meeting) @ source2meeting

    def _pose_at(self, child: str, stamp: int) -> NDArray[np.float64]:
        edge = self._edges[child]
        if edge.static or stamp in edge.poses:
            return edge.poses[0 if edge.static else stamp]
        stamps = edge.stamps
        beyond = max(stamps[0] - stamp, stamp - stamps[-1])
        if beyond > self._reach:
            raise self._too_far(child, edge, stamp, beyond)
        if len(stamps) == 1:
            return edge.poses[stamps[0]]
        first, second = _around(stamps, stamp)
        fraction = (stamp - first) / (second - first)
        return interpolate_rigid(edge.poses[first], edge.poses[second], fraction)

    def _nearest_pose(self, child: str, stamp: int) -> NDArray[np.float64]:
        edge = self._edges[child]
        after = bisect_left(edge.stamps, stamp)
        near = edge.stamps[max(after - 1, 0) : after + 1]
        return edge.poses[min(near, key=lambda known: abs(known - stamp))]

    def _too_far(self, child: str, edge: _Edge, stamp: int, beyond: int) -> InputError:
        known = " to ".join(f"{edge.stamps[i] / NANOSECONDS:.3f}" for i in (0, -1))
        return InputError(
            f"tf {edge.parent} <- {child}",
            found=f"transforms from {known} s, {beyond / NANOSECONDS:.3f} s away from what is "
            f"needed at {stamp / NANOSECONDS:.3f} s",
            expected=f"at most {self._reach / NANOSECONDS:.3f} s",
            do="Publish it more often or sooner, or raise max_extrapolation",
            reason="tf_extrapolation",
        )

    def _not_connected(self, up: list[str], down: list[str]) -> InputError:
        known = {*self._edges, *(edge.parent for edge in self._edges.values())}
        unknown = [names[0] for names in (up, down) if names[0] not in known]
        found = f"no transform that names '{unknown[0]}'" if unknown else "two separate trees"
        frames = ", ".join(sorted(known)) or "none"
        return InputError(
            f"tf {down[0]} <- {up[0]}",
            found=f"{found} (frames known: {frames})",
            expected="a chain of transforms between the two",
            do="Publish it on /tf or /tf_static, or correct base_frame and fixed_frame",
            reason="tf_missing" if unknown else "tf_disconnected",
        )


def _check_names(parent: str, child: str) -> None:
    if not parent or not child:
        raise InputError(
            "tf",
            found=f"a transform from '{child}' to '{parent}'",
            expected="names for both frames",
            do="Look at who publishes it",
            reason="empty_frame_id",
        )


def _around(stamps: list[int], stamp: int) -> tuple[int, int]:
    """Return the two known stamps between or beyond which a pose is computed.

    Beyond the ends the motion is measured over at least the time that it goes on for, where the
    history is that long: the noise of two poses close in time would grow with the distance.
    """
    oldest, newest = stamps[0], stamps[-1]
    if stamp > newest:
        before = bisect_right(stamps, newest - (stamp - newest)) - 1
        return stamps[max(before, 0)], newest
    if stamp < oldest:
        after = bisect_left(stamps, oldest + (oldest - stamp))
        return oldest, stamps[min(after, len(stamps) - 1)]
    after = bisect_left(stamps, stamp)
    return stamps[after - 1], stamps[after]
