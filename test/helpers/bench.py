# SPDX-License-Identifier: Apache-2.0
"""A node, a car that feeds it, and what the node published."""

import struct
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

from diagnostic_msgs.msg import DiagnosticArray
from helpers.feeder import NONE, SOURCES, TOY, Faults, Feeder, Rates
from helpers.ros_processes import RosProcess, Stage
from helpers.waiting import wait_until
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, PointCloud2

from effocc_ros.msg import SemanticOccupancy
from effocc_ros.nodes.rig_parameters import rig_arguments
from effocc_ros.nodes.transport import TRANSPORTS
from effocc_ros.rig import load_rig

OUT_OF_MEMORY = "EFFOCC_TEST_OUT_OF_MEMORY"
"""Environment variable: while this file is there, a quick node runs out of memory."""

MEBIBYTE = 2**20


class Bench:
    """A node, a car that feeds it, and what the node published.

    Args:
        stage: Where they run.
        folder: For logs.
        model: Checkpoint.
        quick: Replace the network by one that costs nothing.
        rates: Of the sensors.
        separate: Each sensor and tf is a process of its own, to be killed.
        fed: False where something else plays to the node.
        transports: FASTDDS_BUILTIN_TRANSPORTS of the ``node`` and of the ``drivers``, where it is
            not that of this process.
        strict: Judge how fast and how many frames come; else only that they come.
        parameters: Of the node.

    Attributes:
        model: As given.
        period: Seconds between frames while nothing fails.
    """

    def __init__(
        self,
        stage: Stage,
        folder: Path,
        model: Path | str,
        quick: bool = True,
        rates: Rates = TOY,
        separate: bool = False,
        fed: bool = True,
        transports: Mapping[str, str] = MappingProxyType({}),
        strict: bool = True,
        **parameters,
    ):
        self.stage, self._folder, self._rates = stage, folder, rates
        self.model, self._quick, self._parameters = model, quick, parameters
        self.strict, self._transports = strict, transports
        self.out_of_memory = folder / "out_of_memory"
        self._lock = threading.Lock()
        self._published: list[tuple[float, int]] = []
        self._witnessed: dict[str, list[float]] = {}
        self._diagnostics: DiagnosticArray | None = None
        self.period = 1 / rates.lidar
        node = stage.peer.node
        qos = QoSProfile(depth=10)
        topic = "/occ_node/output/occupancy"
        node.create_subscription(SemanticOccupancy, topic, self._heard, qos, raw=True)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnosed, 10)
        if separate:
            self._witness("/LIDAR_TOP", PointCloud2)
            self._witness("/CAM_FRONT/image_rect_compressed", CompressedImage)
        self.node = self.start_node()
        sources = [(each,) for each in SOURCES] if separate else [SOURCES] * fed
        self._feeders = {each: self._feeder(each) for each in sources}
        for feeder in self._feeders.values():
            feeder.wait()
        self.node.wait_for_text("active:")
        if fed:
            self.wait_for_frames(1)

    @property
    def slowest(self) -> float:
        """Seconds between messages of the slowest input, or between frames if that is longer."""
        return max(self.period, 1 / min(self._rates.camera, self._rates.lidar, self._rates.tf))

    def measure(self, seconds: float) -> None:
        """See how often frames come while nothing fails: busy machines do not keep up."""
        begin = time.monotonic()
        time.sleep(seconds)
        count = len(self.frames(begin, time.monotonic()))
        self.period = max(1 / self._rates.lidar, seconds / max(count, 1))

    def start_node(self) -> RosProcess:
        """Start a node; it is not waited for."""
        start = "from effocc_ros.nodes.executables import occ_node as main; main()"
        if self._quick:
            # As the node's own program does, before the slow imports.
            start = "from effocc_ros.nodes.stopping import leave_on_signal; leave_on_signal(); "
            start += "from helpers.quick_node import main; main()"
        arguments = rig_arguments(load_rig("nuscenes"))
        parameters = {"model": self.model, "device": "cpu", "threads": 1, **self._parameters}
        for name, value in parameters.items():
            arguments += ["-p", f"{name}:={value}"]
        path = str(Path(__file__).resolve().parents[1])
        command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {path!r}); {start}"]
        log = self._folder / f"node-{time.monotonic_ns()}.log"
        variables = {OUT_OF_MEMORY: str(self.out_of_memory)}
        variables |= self._transports_of("node")
        return self.stage.run([*command, "--ros-args", *arguments], log, **variables)

    def set(self, faults: Faults) -> None:
        """Let the car fail so from now on."""
        for feeder in self._feeders.values():
            feeder.set(faults)

    def fail(self, seconds: float, **faults) -> tuple[float, float]:
        """Let it fail for some time; return from when to when."""
        begin = time.monotonic()
        self.set(replace(NONE, **faults))
        time.sleep(seconds)
        self.set(NONE)
        return begin, time.monotonic()

    def corrupted(self) -> int:
        """Return how many messages were corrupted so far."""
        return sum(feeder.corrupted() for feeder in self._feeders.values())

    def kill(self, source: str) -> None:
        """Kill a sensor's process."""
        self._feeders.pop((source,)).kill()

    def revive(self, source: str) -> None:
        """Start it again, and wait until it publishes."""
        self._feeders[source,] = self._feeder((source,))
        self._feeders[source,].wait()

    def frames(self, begin: float, end: float) -> list[int]:
        """Return the stamps published in some time."""
        with self._lock:
            return [stamp for arrival, stamp in self._published if begin <= arrival <= end]

    def wait_for_frames(self, count: int) -> None:
        """Wait until so many were published, all in all."""
        wait_until(lambda: len(self._published) >= count, f"{count} frames", 120)

    def total(self, begin: str) -> int:
        """Return the sum of the newest diagnostics whose key begins so."""
        statuses = self._diagnostics.status if self._diagnostics else ()
        pairs = (pair for status in statuses for pair in status.values)
        return sum(int(pair.value) for pair in pairs if pair.key.startswith(begin))

    def settle(self, most: float) -> None:
        """Wait until no frame comes any more: a busy machine still makes those of the past."""
        end = time.monotonic() + most
        while self.frames(time.monotonic() - 0.5, time.monotonic()) and time.monotonic() < end:
            time.sleep(0.05)

    def gap(self, begin: float, end: float) -> float:
        """Return the longest time in it without a frame."""
        with self._lock:
            arrivals = [at for at, _ in self._published if begin <= at <= end]
        edges = [begin, *arrivals, end]
        return max(after - before for before, after in pairwise(edges))

    def witnessed_gap(self, begin: float, end: float) -> float:
        """Return the longest time in it in which another subscriber than the node got nothing.

        That is judged by one camera or the LiDAR, whichever paused for less.
        """
        with self._lock:
            heard = [
                [begin, *(at for at in arrivals if begin <= at <= end), end]
                for arrivals in self._witnessed.values()
            ]
        return min(max(after - before for before, after in pairwise(edges)) for edges in heard)

    def first_frame(self, begin: float, seconds: float = 30.0) -> float:
        """Wait for a frame after a moment; return the seconds that it took."""
        return wait_until(
            lambda: next((at - begin for at, _ in list(self._published) if at > begin), None),
            f"a frame; the node said:\n{self.node.text[-3000:]}",
            seconds,
        )

    def told(self, key: str) -> str:
        """Return the newest value of a key of the diagnostics."""
        statuses = self._diagnostics.status if self._diagnostics else ()
        pairs = (pair for status in statuses for pair in status.values)
        return next((pair.value for pair in pairs if pair.key == key), "")

    def resident(self) -> float:
        """Return the MiB of memory that the node holds."""
        pid = self.node.process.pid
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * 4096 / MEBIBYTE

    def transition(self, transition: int) -> bool:
        """Ask the node for a lifecycle transition."""
        request = ChangeState.Request(transition=Transition(id=transition))
        return self.stage.peer.ask(ChangeState, "/occ_node/change_state", request).success

    def _feeder(self, sources: tuple[str, ...]) -> Feeder:
        variables = self._transports_of("drivers")
        return Feeder(self.stage, self._folder, self._rates, sources, **variables)

    def _transports_of(self, who: str) -> dict[str, str]:
        return {TRANSPORTS: self._transports[who]} if self._transports.get(who) else {}

    def _witness(self, topic: str, kind: type) -> None:
        arrivals = self._witnessed[topic] = []

        def heard(_: bytes) -> None:
            with self._lock:
                arrivals.append(time.monotonic())

        self.stage.peer.node.create_subscription(
            kind, topic, heard, QoSProfile(depth=20), raw=True
        )

    def _heard(self, raw: bytes) -> None:
        seconds, nanoseconds = struct.unpack_from("<iI", raw, 4)
        with self._lock:
            stamp = seconds * 1_000_000_000 + nanoseconds
            self._published.append((time.monotonic(), stamp))

    def _diagnosed(self, message: DiagnosticArray) -> None:
        self._diagnostics = message
