# SPDX-License-Identifier: Apache-2.0
"""Three stages, each a thread: assemble and preprocess, run the network, publish.

In each the newest frame wins, and the one that it replaces is counted under the name of the stage
that was too slow for it. Assembling begins so that it ends when the network does: a frame
assembled earlier would be older than need be, or thrown away.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from effocc_ros.nodes.stage import Durations, Stage
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.predictor import Predictor, PreparedFrame
from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream import Stream, StreamConfig, Trigger

IDLE_SECONDS = 0.02
"""How late the end of a wait for a slow camera may be noticed."""

LEAD = 1.2
"""Assembling begins this many of its own durations before the network is expected to be free."""


@dataclass(frozen=True)
class PipelineReport:
    """What the pipeline has done so far.

    Attributes:
        frames_out: Occupancies published.
        consecutive_overruns: How many frames in a row replaced an older one.
        last_published: When the last one was published, seconds of the node's clock; 0 if none.
        stages: Milliseconds of each stage, the median of the last frames.
        latency_p50: Milliseconds from the reference stamp to publishing, the median of the last
            frames; None before the first.
        latency_p95: The same of the slowest 5 percent.
        last_failure: Text of the last exception, empty when the last frame went well.
    """

    frames_out: int = 0
    consecutive_overruns: int = 0
    last_published: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    latency_p50: float | None = None
    latency_p95: float | None = None
    last_failure: str = ""


@dataclass(frozen=True)
class _Made:
    """A frame on its way, and when it was begun, perf_counter seconds."""

    trigger: Trigger
    predictor: Predictor
    started: float
    prepared: PreparedFrame | None = None
    occupancy: SemanticOccupancy | None = None


class Pipeline:
    """Turns the triggers of a stream into published occupancies.

    Args:
        stream: Where triggers and Frames come from.
        predictor: The network that runs first.
        publish: Called in a thread of its own with each occupancy.
        now: Seconds on the node's clock.
        on_failure: Called with a reason and an exception; the pipeline goes on.
        on_end: Called with the stamp that the message of each trigger that ended came with, and
            whether it was published.
    """

    def __init__(
        self,
        stream: Stream,
        predictor: Predictor,
        publish: Callable[[SemanticOccupancy], None],
        now: Callable[[], float],
        on_failure: Callable[[str, Exception], None],
        on_end: Callable[[int, bool], None],
    ):
        self._stream, self._predictor = stream, predictor
        self._publish, self._now = publish, now
        self._on_failure, self._on_end = on_failure, on_end
        self._assembling = Stage[Trigger](
            "assemble", self._assemble, self._survive, self._look_around, IDLE_SECONDS
        )
        self._network = Stage[_Made]("network", self._run_network, self._survive)
        self._publishing = Stage[_Made]("publish", self._send, self._survive)
        self._swap: tuple[Predictor, StreamConfig, Callable[[], None]] | None = None
        self._lock, self._polling = threading.Lock(), threading.Lock()
        self._stop = threading.Event()
        self._free = threading.Event()
        self._free.set()
        self._network_since = 0.0
        self._durations = Durations()
        self._frames_out = self._overruns = self._under_way = 0
        self._late = False
        self._last_published, self._last_failure = 0.0, ""

    @property
    def _stages(self) -> tuple[Stage, ...]:
        return self._assembling, self._network, self._publishing

    def start(self) -> None:
        """Begin."""
        for stage in self._stages:
            stage.start()

    def stop(self) -> None:
        """Finish the frames in hand and end the threads."""
        self._stop.set()
        self._free.set()
        for stage in self._stages:
            stage.close()
        if self._swap is not None:
            self._take_over()

    def poll(self, now: float) -> None:
        """Take the triggers that are complete at a time; called after each message."""
        with self._polling:
            if self._swap is not None:
                return  # they wait for the network that takes over
            for trigger in self._stream.poll(now):
                with self._lock:
                    self._under_way += 1
                older = self._assembling.put(trigger)
                if older is not None:
                    self._late = True
                    self._drop(older, "superseded")

    @property
    def predictor(self) -> Predictor:
        """The network that runs now, or takes over with the next frame."""
        with self._lock:
            return self._swap[0] if self._swap else self._predictor

    def swap(
        self, predictor: Predictor, config: StreamConfig, done: Callable[[], None] = lambda: None
    ) -> None:
        """Let another network take over between two frames; the old one is closed then.

        Args:
            predictor: The network.
            config: What the stream makes its frames of.
            done: Called once it has taken over.
        """
        with self._lock:
            overtaken, self._swap = self._swap, (predictor, config, done)
        if overtaken is not None:
            overtaken[0].close()
        self._assembling.wake()

    def report(self) -> PipelineReport:
        """Return the counts and times so far."""
        with self._lock:
            return PipelineReport(
                frames_out=self._frames_out,
                consecutive_overruns=self._overruns,
                last_published=self._last_published,
                stages={
                    name: value
                    for name, value in self._durations.medians().items()
                    if name != "latency"
                },
                latency_p50=self._durations.percentile("latency", 0.5),
                latency_p95=self._durations.percentile("latency", 0.95),
                last_failure=self._last_failure,
            )

    def _look_around(self) -> None:
        """Do what the first stage does between two frames."""
        if self._swap is not None and self._old_network_is_idle():
            self._take_over()
        if not self._stop.is_set():
            self.poll(self._now())  # some waits end without a message
            self._wait_for_network()

    def _survive(self, failure: Exception) -> None:
        self._remember_failure(f"pipeline_failed: {failure}")
        self._on_failure("pipeline_failed", failure)
        self._stop.wait(IDLE_SECONDS)

    def _wait_for_network(self) -> None:
        """Rest while a frame assembled now would have to wait for the network."""
        if self._free.is_set():
            return
        lead = LEAD * (self._durations.median("assemble") + self._durations.median("preprocess"))
        busy = self._durations.median("network") + self._durations.median("output")
        left = self._network_since + (busy - lead) / 1e3 - time.perf_counter()
        if self._network.full:  # the network is slower than usual
            left = max(left, busy / 2e3)
        if left > 0:
            self._free.wait(left)

    def _assemble(self, trigger: Trigger) -> None:
        started = time.perf_counter()
        with self._lock:
            predictor = self._predictor
            self._overruns = self._overruns + 1 if self._late else 0
            self._late = False
        reason = "assemble_failed"
        try:
            frame = self._stream.assemble(trigger)
            if frame is None:
                self._end(trigger, published=False)
                return
            self._durations.add(assemble=1e3 * (time.perf_counter() - started))
            reason = "predict_failed"
            prepared = predictor.prepare(frame)
        except Exception as failure:
            self._fail(trigger, reason, failure)
            return
        older = self._network.put(_Made(trigger, predictor, started, prepared))
        if older is not None:
            self._drop(older.trigger, "network_busy")

    def _run_network(self, made: _Made) -> None:
        self._network_since = time.perf_counter()
        self._free.clear()
        try:
            occupancy = made.predictor.run(made.prepared)
            self._durations.add(**made.predictor.timings)
        except Exception as failure:  # a network that runs out of memory must not end the node
            self._fail(made.trigger, "predict_failed", failure)
            return
        finally:
            self._free.set()
        done = _Made(made.trigger, made.predictor, made.started, occupancy=occupancy)
        older = self._publishing.put(done)
        if older is not None:
            self._drop(older.trigger, "publisher_busy")

    def _send(self, made: _Made) -> None:
        started = time.perf_counter()
        try:
            self._publish(made.occupancy)
        except Exception as failure:
            self._fail(made.trigger, "publish_failed", failure)
            return
        ended, now = time.perf_counter(), self._now()
        self._durations.add(
            publish=1e3 * (ended - started),
            total=1e3 * (ended - made.started),
            latency=1e3 * (now - made.trigger.stamp / NANOSECONDS),
        )
        with self._lock:
            self._last_published, self._last_failure = now, ""
        self._end(made.trigger, published=True)

    def _old_network_is_idle(self) -> bool:
        """Finish the frames of the network that is to go; False where the pipeline stops first."""
        with self._polling:
            waiting = self._assembling.take()  # the last one: no more are polled
        if waiting is not None:
            self._assemble(waiting)
        while self._under_way and not self._stop.is_set():
            time.sleep(IDLE_SECONDS / 4)
        return not self._under_way

    def _take_over(self) -> None:
        """Change networks; no frame is under way."""
        with self._lock:
            replaced = self._predictor
            (self._predictor, config, done), self._swap = self._swap, None
        self._durations.clear()
        dropped = self._stream.reconfigure(config)
        replaced.close()
        done()
        if dropped:
            self._on_end(dropped, False)

    def _fail(self, trigger: Trigger, reason: str, failure: Exception) -> None:
        reason = getattr(failure, "reason", reason)
        self._remember_failure(f"{reason}: {failure}")
        self._on_failure(reason, failure)
        self._drop(trigger, reason)

    def _drop(self, trigger: Trigger, reason: str) -> None:
        self._stream.drop(trigger, reason)
        self._end(trigger, published=False)

    def _end(self, trigger: Trigger, published: bool) -> None:
        with self._lock:
            self._frames_out += published
            self._under_way -= 1
        self._on_end(self._stream.sent_stamp(trigger), published)

    def _remember_failure(self, text: str) -> None:
        with self._lock:
            self._last_failure = text
