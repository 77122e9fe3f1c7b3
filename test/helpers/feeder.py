# SPDX-License-Identifier: Apache-2.0
"""A car's drivers in a process of their own, which publish in real time and fail when told to.

The process reads a line of JSON for each change, the fields of :class:`Faults`, from its standard
input, and ends with it.
"""

import heapq
import json
import queue
import random
import re
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from helpers.corruption import corrupted
from helpers.ros_processes import Stage
from helpers.toy_drive import camera_image, camera_info, ego_pose, points, static_poses

from effocc_ros.frame import NUSCENES_CAMERAS

SENSORS = (*NUSCENES_CAMERAS, "LIDAR_TOP")
SOURCES = (*SENSORS, "tf")
SECOND = 1_000_000_000
CLOCK_SECONDS = 0.02
CORRUPTED = "messages corrupted so far:"


@dataclass(frozen=True)
class Rates:
    """Messages per second."""

    camera: float = 10.0
    lidar: float = 10.0
    tf: float = 50.0


TOY = Rates()
NUSCENES = Rates(camera=12.0, lidar=20.0, tf=100.0)


@dataclass(frozen=True)
class Faults:
    """What goes wrong from now on.

    Attributes:
        dead: Sensors, or ``tf``, whose publishers are gone.
        loss: Share of the messages that are not sent.
        twice: Share of them that are sent a second time, ``late`` seconds after.
        late: Seconds.
        shuffled: Seconds by which each is delayed at random, at most.
        corrupt: Share of them of which one field has another value.
        sources: Whose messages are lost, sent twice, shuffled and corrupted.
        paused: Time stands still, for /clock and all sensors.
        seed: Decides all that is random.
    """

    dead: tuple[str, ...] = ()
    loss: float = 0.0
    twice: float = 0.0
    late: float = 0.0
    shuffled: float = 0.0
    corrupt: float = 0.0
    sources: tuple[str, ...] = SOURCES
    paused: bool = False
    seed: int = 0


NONE = Faults()


class Feeder:
    """The process, as its parent sees it; it may have environment variables of its own."""

    def __init__(
        self,
        stage: Stage,
        folder: Path,
        rates: Rates = TOY,
        sources: tuple[str, ...] = SOURCES,
        **variables: str,
    ):
        log = folder / f"feeder-{time.monotonic_ns()}.log"
        arguments = json.dumps({"rates": asdict(rates), "sources": sources})
        start = "from helpers.feeder import main; main()"
        paths = str(Path(__file__).resolve().parents[1])
        self._process = stage.run(
            [
                sys.executable,
                "-c",
                f"import sys; sys.path.insert(0, {paths!r}); {start}",
                arguments,
            ],
            log,
            stdin=subprocess.PIPE,
            **variables,
        )

    def set(self, faults: Faults) -> None:
        """Let it fail so from now on."""
        pipe = self._process.process.stdin
        pipe.write(json.dumps(asdict(faults)).encode() + b"\n")
        pipe.flush()

    def corrupted(self) -> int:
        """Return how many messages it had corrupted when it was last told something."""
        told = re.findall(rf"{CORRUPTED} (\d+)", self._process.text)
        return int(told[-1]) if told else 0

    def wait(self) -> None:
        """Wait until it publishes."""
        self._process.wait_for_text("publishing")

    def kill(self) -> None:
        """Kill it without warning."""
        self._process.kill()


@dataclass(order=True)
class _Due:
    """A message that waits for its time."""

    seconds: float
    number: int
    source: str = field(compare=False)
    topic: str = field(compare=False)
    message: Any = field(compare=False)


class _Drivers:
    """Publishers, and when each message is due."""

    def __init__(self, node: Any, rates: Rates, sources: tuple[str, ...]):
        from rclpy.qos import DurabilityPolicy, QoSProfile
        from rosgraph_msgs.msg import Clock

        self._node, self._sources = node, sources
        self._latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._qos = QoSProfile(depth=20)
        self._publishers: dict[str, Any] = {}
        self._clock = node.create_publisher(Clock, "/clock", 10)
        self._clock_message = Clock()
        self._templates: dict[str, list[tuple[str, Any]]] = {}
        for camera in NUSCENES_CAMERAS:
            sent = [camera_info(camera, 0), camera_image(camera, 0, 3)]
            self._templates[camera] = [(each.topic, _rclpy(each)) for each in sent]
        self._templates["LIDAR_TOP"] = [("/LIDAR_TOP", _rclpy(points(0)))]
        self._templates["tf"] = [("/tf", _rclpy(ego_pose(0)))]
        self._static = _rclpy(static_poses())
        self._periods = {
            **dict.fromkeys(NUSCENES_CAMERAS, 1 / rates.camera),
            "LIDAR_TOP": 1 / rates.lidar,
            "tf": 1 / rates.tf,
        }
        self._next = dict.fromkeys(sources, 0.0)
        self._waiting: list[_Due] = []
        self._number = 0
        self._faults, self._draw = NONE, random.Random(0)
        self._stood, self._paused_at, self._told = 0.0, 0.0, 0.0
        self._corrupted = 0

    def set(self, faults: Faults) -> None:
        now = time.time()
        print(f"{CORRUPTED} {self._corrupted}", flush=True)
        if faults.paused and not self._faults.paused:
            self._paused_at = now
        elif self._faults.paused and not faults.paused:
            self._stood += now - self._paused_at
        self._faults, self._draw = faults, random.Random(faults.seed)
        for source in faults.dead:
            for topic, _ in self._templates[source]:
                if topic in self._publishers:
                    self._node.destroy_publisher(self._publishers.pop(topic))

    def step(self) -> float:
        """Publish what is due; return the seconds until the next message is."""
        now = time.time()
        if self._faults.paused:
            return 0.01
        now -= self._stood
        self._tell_time(now)
        for source in self._sources:
            if now >= self._next[source]:
                period = self._periods[source]
                # Every sensor at its own phase of the same raster of stamps.
                self._next[source] = (now // period + 1) * period
                if source not in self._faults.dead:
                    self._make(source, now // period * period, now)
        while self._waiting and self._waiting[0].seconds <= now:
            due = heapq.heappop(self._waiting)
            if due.source not in self._faults.dead:
                self._publisher(due.topic, due.message).publish(due.message)
        ahead = [*self._next.values(), *(due.seconds for due in self._waiting[:1])]
        return max(min(ahead) - now, 0.0)

    def _make(self, source: str, stamp: float, now: float) -> None:
        faults, draw = self._faults, self._draw
        affected = source in faults.sources
        for topic, template in self._templates[source]:
            message = _stamped(template, round(stamp * SECOND))
            if affected and draw.random() < faults.loss:
                continue
            if affected and draw.random() < faults.corrupt:
                message = corrupted(message, draw)
                self._corrupted += 1
            delay = draw.uniform(0, faults.shuffled) if affected and faults.shuffled else 0.0
            self._wait(now + delay, source, topic, message)
            if affected and draw.random() < faults.twice:
                self._wait(now + faults.late, source, topic, message)

    def _wait(self, seconds: float, source: str, topic: str, message: Any) -> None:
        self._number += 1
        heapq.heappush(self._waiting, _Due(seconds, self._number, source, topic, message))

    def _publisher(self, topic: str, message: Any) -> Any:
        if topic not in self._publishers:
            if topic == "/tf":
                static = self._node.create_publisher(type(message), "/tf_static", self._latched)
                static.publish(self._static)
                self._publishers["/tf_static"] = static
            self._publishers[topic] = self._node.create_publisher(type(message), topic, self._qos)
        return self._publishers[topic]

    def _tell_time(self, now: float) -> None:
        if now < self._told + CLOCK_SECONDS:
            return
        self._told = now
        stamp = self._clock_message.clock
        stamp.sec, stamp.nanosec = divmod(round(now * SECOND), SECOND)
        self._clock.publish(self._clock_message)


def _rclpy(sent: Any) -> Any:
    """Turn a message of rosbags into one of rclpy."""
    from importlib import import_module

    from rclpy.serialization import deserialize_message

    package, _, name = sent.msgtype.split("/")
    return deserialize_message(sent.raw, getattr(import_module(f"{package}.msg"), name))


def _stamped(template: Any, stamp: int) -> Any:
    """Return a message of the template with another stamp; large fields are shared."""
    import copy

    message = copy.copy(template)
    if hasattr(message, "transforms"):
        pose = copy.deepcopy(message.transforms[0])
        pose.header.stamp.sec, pose.header.stamp.nanosec = divmod(stamp, SECOND)
        pose.transform.translation.x = 5.0 * (stamp % (1000 * SECOND)) / SECOND
        message.transforms = [pose]
        return message
    message.header = copy.deepcopy(message.header)
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, SECOND)
    return message


def main() -> None:
    """Publish until standard input ends."""
    import rclpy

    given = json.loads(sys.argv[1])
    rclpy.init()
    drivers = _Drivers(
        rclpy.create_node("feeder"), Rates(**given["rates"]), tuple(given["sources"])
    )
    changes: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        for line in sys.stdin:
            changes.put(line)
        changes.put("")

    threading.Thread(target=listen, daemon=True).start()
    print("publishing", flush=True)
    while True:
        try:
            line = changes.get(timeout=min(drivers.step(), 0.05))
        except queue.Empty:
            continue
        if not line:
            break
        drivers.set(Faults(**json.loads(line)))
    rclpy.shutdown()
