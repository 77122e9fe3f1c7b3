# SPDX-License-Identifier: Apache-2.0
"""Which rig fits a bag, and what is missing where none does."""

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from itertools import islice, pairwise
from statistics import median
from typing import Any

from effocc_ros.bags.reader import BagMessage, BagReader
from effocc_ros.errors import InputError
from effocc_ros.foreign_types import CLOUD, conversion, foreign_topics
from effocc_ros.foreign_types import IMAGE as PIXELS
from effocc_ros.occupancy_views import POINT
from effocc_ros.rig import Rig
from effocc_ros.stamps import NANOSECONDS

TRANSFORMS = "tf2_msgs/msg/TFMessage"
POINTS = "sensor_msgs/msg/PointCloud2"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
ODOMETRY = "nav_msgs/msg/Odometry"

TF_MESSAGES = 5000
"""How many messages of /tf are looked at: bags of hours need not be read to their end."""


@dataclass(frozen=True)
class BagContents:
    """What of a bag a rig depends on.

    Attributes:
        types: Topic -> message type, of the topics that have messages. Voxels that node and
            `effocc process` write as a cloud are no LiDAR's, and left out.
        parents: tf frame -> its parent; where it has several, the one that is said most often.
        periods: Frame whose transform comes again and again -> median seconds between two.
        frames: Topic of images or points -> tf frame of its first message.
        edges: Every (child, parent) of tf frames.
    """

    types: dict[str, str]
    parents: dict[str, str]
    periods: dict[str, float]
    frames: dict[str, str] = field(default_factory=dict)
    edges: frozenset[tuple[str, str]] = frozenset()

    def chain(self, frame: str) -> list[str]:
        """Return a frame, its parent, and so on to the root of its tree."""
        frames = [frame]
        while (parent := self.parents.get(frames[-1])) and parent not in frames:
            frames.append(parent)
        return frames

    def way(self, start: str, goal: str) -> list[str]:
        """Return the frames from one to another, up and down the tree; none where none leads."""
        neighbours = defaultdict(list)
        for child, parent in sorted(self._every_edge):
            neighbours[child].append(parent)
            neighbours[parent].append(child)
        came_from, todo = {start: start}, deque([start])
        while todo and goal not in came_from:
            frame = todo.popleft()
            for other in neighbours[frame]:
                if other not in came_from:
                    came_from[other] = frame
                    todo.append(other)
        if goal not in came_from:
            return []
        frames = [goal]
        while frames[-1] != start:
            frames.append(came_from[frames[-1]])
        return frames[::-1]

    def moving(self, way: list[str]) -> list[str]:
        """Return the children of the edges of a way."""
        edges = self._every_edge
        return [one if (one, other) in edges else other for one, other in pairwise(way)]

    @property
    def _every_edge(self) -> set[tuple[str, str]]:
        return {*self.parents.items(), *self.edges}


def bag_contents(bag: BagReader) -> BagContents:
    """Read topics, the tf tree and the sensors' frames of an open bag.

    Messages that cannot be decoded are left out; a run names them.
    """
    types = {topic.name: topic.msgtype for topic in bag.topics.values() if topic.count}
    said: Counter[tuple[str, str]] = Counter()
    stamps: dict[str, list[int]] = {}
    for topic in (name for name, kind in types.items() if kind == TRANSFORMS):
        for message in islice(bag.recorded((topic,)), TF_MESSAGES):
            for transform in _field(message, "transforms") or ():
                child = transform.child_frame_id.lstrip("/")
                said[child, transform.header.frame_id.lstrip("/")] += 1
                stamp = transform.header.stamp
                stamps.setdefault(child, []).append(stamp.sec * NANOSECONDS + stamp.nanosec)
    periods = {
        child: median(b - a for a, b in pairwise(times)) / NANOSECONDS
        for child, times in ((child, sorted(set(times))) for child, times in stamps.items())
        if len(times) > 1
    }
    frames: dict[str, str] = {}
    for topic in [name for name, kind in types.items() if kind in (IMAGE, COMPRESSED, POINTS)]:
        message = next(iter(bag.recorded((topic,))))
        if _holds_voxels(message):
            del types[topic]
        else:
            frame_id = getattr(_field(message, "header"), "frame_id", "")
            frames[topic] = str(frame_id).lstrip("/")
    parents = dict(edge for edge, _ in reversed(said.most_common()))
    return BagContents(types, parents, periods, frames, frozenset(said))


def _holds_voxels(message: BagMessage) -> bool:
    """Return whether a cloud has the fields of voxels with labels."""
    fields = _field(message, "fields") if message.msgtype == POINTS else None
    return {field.name for field in fields or ()} >= set(POINT.names)


def _field(message: BagMessage, name: str) -> Any:
    """Return a field; None where the message is broken or defined without it."""
    try:
        return getattr(message.decode(), name, None)
    except InputError:
        return None


def problems(rig: Rig, contents: BagContents) -> list[str]:
    """Say what a rig asks for and a bag does not have; nothing where the rig fits."""
    wanted = []
    for camera in rig.cameras:
        image = COMPRESSED if camera.compressed else IMAGE
        wanted.append((f"images of {camera.name}", camera.image, image))
        if camera.camera_info:
            wanted.append((f"CameraInfo of {camera.name}", camera.camera_info, CAMERA_INFO))
    if rig.points:
        wanted.append((f"points of {rig.lidar}", rig.points, POINTS))
    wanted += [(f"points of {lidar.name}", lidar.points, POINTS) for lidar in rig.lidars]
    if rig.odometry:
        wanted.append(("odometry", rig.odometry, ODOMETRY))
    found, absent = [], set()
    for what, topic, expected in wanted:
        there = contents.types.get(topic)
        if there is None:
            found.append(f"{what}: no messages on {topic}")
            if expected != ODOMETRY:
                absent.add(CLOUD if expected == POINTS else PIXELS)
        elif there != expected:
            known = conversion(topic, there)
            said = ". ".join(known) if known else f"{topic} has {there}, expected {expected}"
            found.append(f"{what}: {said}")
    # What stands in the place of absent topics, once for all of them.
    for topic in sorted(
        {each for kind in absent for each in foreign_topics(contents.types, kind)}
    ):
        found.append(". ".join(conversion(topic, contents.types[topic])))
    return found + _tf_problems(rig, contents)


def _tf_problems(rig: Rig, contents: BagContents) -> list[str]:
    if not contents.parents:
        fixed = rig.fixed_frame and not rig.odometry
        return [] if rig.calibration and not fixed else ["tf: no transforms"]
    known = {*contents.parents, *contents.parents.values()}
    if rig.base_frame not in known:
        return [f"base_frame: no {rig.base_frame} in tf, which has {_listed(known)}"]
    if rig.odometry:
        return []
    way = contents.way(rig.base_frame, rig.fixed_frame) if rig.fixed_frame else []
    if rig.fixed_frame and not way:
        chain = contents.chain(rig.base_frame)
        above = f"has {_listed(chain[1:])} above it" if chain[1:] else "has nothing above it"
        return [f"fixed_frame: no {rig.fixed_frame} in tf; {rig.base_frame} {above}"]
    periods = (contents.periods.get(frame, 0.0) for frame in contents.moving(way))
    slowest = max(periods, default=0.0)
    if slowest > 1.5 * rig.max_extrapolation_s:
        return [
            f"max_extrapolation_s: {rig.max_extrapolation_s:g} s, but the ego pose comes every "
            f"{slowest:.2f} s"
        ]
    return []


def _listed(names: object) -> str:
    return ", ".join(sorted(names)[:12])


def best_rig(rigs: list[Rig], contents: BagContents) -> tuple[Rig, list[str]]:
    """Return the rig with the fewest problems, and those; of equals the one that guesses least."""
    return min(
        ((rig, problems(rig, contents)) for rig in rigs),
        key=lambda fit: (len(fit[1]), fit[0].max_extrapolation_s),
    )
