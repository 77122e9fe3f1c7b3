# SPDX-License-Identifier: Apache-2.0
"""All tf frames over time, from tf messages, for the node and the bag path alike.

tf should be a tree, and often is not: two localisers give one frame two parents, or somebody
swapped parent and child. Edges that contradict each other are kept side by side, each with its
own history, as long as each is repeated; what is asked for is found along those in use where that
is possible, and along the others where it is not.
"""

from collections import defaultdict
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from effocc_ros.geometry import inverse_rigid
from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.report import Remark
from effocc_ros.stream.transform_conflicts import (
    PATIENCE,
    STATIC_PATIENCE,
    RefusedEdge,
    loop_error,
    not_connected,
    two_clocks,
    two_parents,
    two_places,
)
from effocc_ros.stream.transform_edge import OTHER_CLOCK, TransformEdge

LONE_SECONDS = 2.0
"""Seconds that a frame's other parent, whose period is not known, has to be repeated."""

MOST_PARENTS = 4
"""Parents of one frame that are kept; more are no publishers but bytes gone wrong."""

MOST_REFUSED = 100
"""Edges that would close a loop whose history is kept."""

RESTARTS = 3
"""Jumps back in time from which on, where every tenth message is one, two publishers send it."""

MOST_EDGES = 1000
"""Moving edges that are kept; trackers give every object a frame, and never the same again."""

DETOUR = 100
"""Edges in use that one edge not in use is worth."""


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
        self._edges: dict[str, dict[str, TransformEdge]] = {}
        """Child -> parent -> edge; the parent in use comes first."""
        self._refused: dict[tuple[str, str], RefusedEdge] = {}
        self._paths: dict[tuple[str, str], list[tuple[TransformEdge, bool]] | None] = {}
        """(target, source) -> edges, each with True where it is taken upwards."""
        self._asked: set[TransformEdge] = set()
        """Edges that have told something."""
        self._age: dict[TransformEdge, None] = {}
        """Moving edges, the one that was not repeated for longest first."""

    @property
    def frames(self) -> set[str]:
        """Names of all frames."""
        return {*self._edges, *(name for parents in self._edges.values() for name in parents)}

    def add(
        self, parent: str, child: str, stamp: int, pose: NDArray[np.float64], static: bool = False
    ) -> Remark | None:
        """Add one transform.

        An edge that is published both as static and as dynamic is treated as dynamic: the poses
        over time say more. A dynamic edge that would close a loop replaces the one it contradicts
        when only it is repeated; so does one that gives a frame another parent.

        Args:
            parent: Parent frame.
            child: Child frame.
            stamp: Nanoseconds; of no meaning for a static edge.
            pose: (4, 4) child to parent.
            static: True for an edge that holds at all times.

        Returns:
            What to say of a frame with two parents that are both repeated, of two publishers of
            one edge whose clocks differ, or of a static edge that is found at another place.

        Raises:
            InputError: The edge would close a loop.
        """
        parents = self._edges.get(child, {})
        edge = parents.get(parent)
        if edge is None:
            self._open_loop(parent, child, pose, static)
        elif static and not edge.static:
            edge.as_static += 1
            if edge.as_static < STATIC_PATIENCE:
                return None
        returns = edge is not None and not edge.in_a_row
        before = edge.nearest(stamp) if edge is not None and edge.static and static else None
        if edge is None or edge.static != static:
            edge = TransformEdge(parent, child, static)
            parents = self._edges.setdefault(child, {})
            parents[parent] = edge
            if len(parents) > MOST_PARENTS:
                others = [name for name in reversed(parents) if name != parent]
                del parents[min(others, key=lambda name: parents[name].received)]
            self._paths.clear()
        edge.add(stamp, pose, self._cache)
        if not edge.static:
            self._age.pop(edge, None)
            self._age[edge] = None
            if len(self._age) > MOST_EDGES:
                self._forget_one()
        if edge.restarts > RESTARTS and edge.restarts > edge.received / 10:
            return two_clocks(edge)
        moved = None if before is None else two_places(edge, before, pose)
        if moved is not None:
            return moved
        rivals = [each for each in self._edges[child].values() if each is not edge]
        return self._judge(edge, rivals, returns) if rivals else None

    def lookup(self, target: str, source: str, stamp: int) -> NDArray[np.float64]:
        """Return the (4, 4) transform from ``source`` to ``target`` at ``stamp``.

        Raises:
            InputError: A frame is unknown, the two are not connected, or the stamp lies too far
                beyond what is known.
        """
        return self._chain(target, source, lambda edge: edge.at(stamp, self._reach))

    def mounting(self, target: str, source: str, stamp: int) -> NDArray[np.float64]:
        """Return the transform between two frames that do not move in each other.

        Some bags tell where a sensor sits only now and then; as it is bolted on, the first or last
        pose that is known holds before and after, however far that is.

        Raises:
            InputError: A frame is unknown, or the two are not connected.
        """
        return self._chain(target, source, lambda edge: edge.nearest(stamp))

    def connected(self, target: str, source: str) -> bool:
        """Return whether a chain of transforms between the two frames is known."""
        return self._path(target, source) is not None

    def moving(self, target: str, source: str) -> list[TransformEdge]:
        """Return the dynamic edges between two frames; none where they are not connected."""
        return [edge for edge, _ in self._path(target, source) or () if not edge.static]

    def covers(self, target: str, source: str, stamp: int) -> bool:
        """Return whether no transform still to come would change what is known of ``stamp``."""
        if not self.connected(target, source):
            return False
        return all(edge.covers(stamp, self._reach) for edge in self.moving(target, source))

    def too_early(self, target: str, source: str, stamp: int) -> bool:
        """Return whether :meth:`lookup` fails now and would not with newer transforms."""
        lags = [stamp - edge.newest for edge in self.moving(target, source)]
        return any(self._reach < lag < OTHER_CLOCK for lag in lags)

    def has_frame_at(self, frame: str, translation: NDArray, stamp: int) -> bool:
        """Return whether another frame has the axes of one and its origin at (3,) metres in it."""
        slack = 0.002 + 0.05 * np.linalg.norm(translation)
        frame = frame.lstrip("/")
        for other in self.frames - {frame}:
            if self.connected(frame, other):
                pose = self.mounting(frame, other, stamp)
                near = np.linalg.norm(pose[:3, 3] - translation) < slack
                if near and np.trace(pose[:3, :3]) > 2.997:  # axes within three degrees
                    return True
        return False

    def _forget_one(self) -> None:
        """Forget the edge that was not repeated for longest, of those that nobody asks about."""
        oldest = next((edge for edge in self._age if edge not in self._asked), None)
        if oldest is None:
            return
        del self._age[oldest]
        parents = self._edges.get(oldest.child, {})
        if parents.get(oldest.parent) is oldest:
            del parents[oldest.parent]
            if not parents:
                del self._edges[oldest.child]
            self._paths.clear()

    def _judge(
        self, edge: TransformEdge, rivals: list[TransformEdge], returns: bool
    ) -> Remark | None:
        """Prefer the parent that alone is repeated; say so where several are.

        A dynamic one that nobody repeats is forgotten, a static one need not be repeated.
        """
        parents = self._edges[edge.child]
        for rival in rivals:
            rival.in_a_row = 0
            patience = PATIENCE * rival.period() or LONE_SECONDS
            long = edge.static or edge.newest - edge.since > patience * NANOSECONDS
            if edge.in_a_row <= PATIENCE or not long:
                continue
            if not rival.static and not edge.static:
                del parents[rival.parent]
                self._paths.clear()
            elif next(iter(parents)) != edge.parent:
                parents = {edge.parent: edge} | parents
                self._edges[edge.child] = parents
                self._paths.clear()
        fixed = edge.static and any(each.static for each in rivals)
        mixed = edge.static != rivals[0].static and max(edge.received, rivals[0].received) > 1
        if not (returns or fixed or mixed) or len(parents) < 2:
            return None
        return two_parents(edge.child, parents)

    def _open_loop(self, parent: str, child: str, pose: NDArray[np.float64], static: bool) -> None:
        """Refuse an edge that closes a loop, or forget what it contradicts and nobody repeats."""
        key = parent, child
        while (loop := self._way_up(parent, child)) is not None:
            if key not in self._refused and len(self._refused) > MOST_REFUSED:
                self._refused.clear()
            refused = self._refused.setdefault(key, RefusedEdge(pose))
            given_up = refused.weakest(loop, pose, static)
            if given_up is None:
                refused.note(edge for parents in self._edges.values() for edge in parents.values())
                raise loop_error(parent, child)
            del self._edges[given_up.child][given_up.parent]
            self._paths.clear()
        self._refused.pop(key, None)

    def _way_up(self, frame: str, goal: str, seen: tuple = ()) -> list[TransformEdge] | None:
        """Return the edges from a frame up to one above it, None where it is not above."""
        if frame == goal:
            return []
        for parent, edge in self._edges.get(frame, {}).items():
            if parent not in seen:
                rest = self._way_up(parent, goal, (*seen, frame))
                if rest is not None:
                    return [edge, *rest]
        return None

    def _path(self, target: str, source: str) -> list[tuple[TransformEdge, bool]] | None:
        """Return the edges from source to target, None where they are not connected."""
        ends = target.lstrip("/"), source.lstrip("/")
        if ends not in self._paths:
            path = self._in_use(*ends)
            self._paths[ends] = self._shortest(*ends) if path is None else path
            self._asked.update(edge for edge, _ in self._paths[ends] or ())
        return self._paths[ends]

    def _in_use(self, target: str, source: str) -> list[tuple[TransformEdge, bool]] | None:
        """Return the path along the parents in use, None where these do not meet: quick."""
        up, down = self._above(source), self._above(target)
        ends = [edge.parent for edge in down]
        meeting = next(
            (name for name in (source, *(edge.parent for edge in up)) if name in (target, *ends)),
            None,
        )
        if meeting is None:
            return None
        risen = [] if meeting == source else up[: [e.parent for e in up].index(meeting) + 1]
        sunk = [] if meeting == target else down[: ends.index(meeting) + 1]
        return [*((edge, True) for edge in risen), *((edge, False) for edge in reversed(sunk))]

    def _above(self, frame: str) -> list[TransformEdge]:
        """Return the edges from a frame up to its root along the parents in use."""
        edges = []
        while self._edges.get(frame):
            edges.append(next(iter(self._edges[frame].values())))
            frame = edges[-1].parent
        return edges

    def _shortest(self, target: str, source: str) -> list[tuple[TransformEdge, bool]] | None:
        neighbours = defaultdict(list)
        for child, parents in self._edges.items():
            for place, (parent, edge) in enumerate(parents.items()):
                cost = DETOUR if place else 1
                neighbours[child].append((parent, cost, (edge, True)))
                neighbours[parent].append((child, cost, (edge, False)))
        heap, done, number = [(0, 0, source, [])], set(), 0
        while heap:
            length, _, frame, path = heappop(heap)
            if frame == target:
                return path
            if frame in done:
                continue
            done.add(frame)
            for other, cost, step in neighbours[frame]:
                number += 1
                heappush(heap, (length + cost, number, other, [*path, step]))
        return None

    def _chain(self, target: str, source: str, pose) -> NDArray[np.float64]:
        path = self._path(target, source)
        if path is None:
            raise not_connected(target, source, self.frames)
        source2target = np.eye(4)
        for edge, upwards in path:
            step = pose(edge)
            source2target = (step if upwards else inverse_rigid(step)) @ source2target
        return source2target
