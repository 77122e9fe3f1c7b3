"""The one thread that makes occupancy: the newest trigger wins, the others are counted."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.predictor import Predictor
from effocc_ros.stream import Stream, StreamConfig, Trigger

IDLE_SECONDS = 0.01
"""How late a wait for a slow camera may be noticed to be over."""

REMEMBERED_FRAMES = 100


@dataclass(frozen=True)
class WorkerReport:
    """What the worker has done so far.

    Attributes:
        frames_out: Occupancies published.
        handled_until: Newest reference stamp that ended as a frame or as a drop, nanoseconds;
            0 before the first.
        consecutive_overruns: How many frames in a row came too late to save an older trigger.
        stages: Milliseconds of each stage, the median of the last frames.
        last_failure: Text of the last exception, empty when the last frame went well.
    """

    frames_out: int = 0
    handled_until: int = 0
    consecutive_overruns: int = 0
    stages: dict[str, float] | None = None
    last_failure: str = ""


class Worker:
    """Takes triggers from a stream, predicts, and hands the result on, in a thread of its own.

    Args:
        stream: Where triggers and Frames come from.
        predictor: The network that runs first.
        publish: Called in the worker's thread with each occupancy.
        on_failure: Called in the worker's thread with a reason and an exception; the worker goes
            on.
        on_drop: Called in the worker's thread after a newest trigger ended without a frame.
        on_handled: Called with the stamp of each trigger that ended, and whether as a frame.
    """

    def __init__(
        self,
        stream: Stream,
        predictor: Predictor,
        publish: Callable[[SemanticOccupancy], None],
        on_failure: Callable[[str, Exception], None],
        on_drop: Callable[[], None],
        on_handled: Callable[[int, bool], None] = lambda stamp, published: None,
    ):
        self._stream = stream
        self._predictor = predictor
        self._next: tuple[Predictor, StreamConfig] | None = None
        self._publish, self._on_failure, self._on_drop = publish, on_failure, on_drop
        self._on_handled = on_handled
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._stages: dict[str, deque[float]] = {}
        self._frames_out = self._handled_until = self._overruns = 0
        self._last_failure = ""
        self._thread = threading.Thread(target=self._run, name="occupancy-worker", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the frame in hand and end the thread."""
        self._stop.set()
        self._wake.set()
        self._thread.join()
        self._take_over()

    def note_handled(self, stamp: int) -> None:
        """Note that a reference message of this stamp ended before it became a trigger."""
        with self._lock:
            self._handled_until = stamp
        self._on_handled(stamp, False)

    def wake(self) -> None:
        """Say that a message has arrived."""
        self._wake.set()

    @property
    def predictor(self) -> Predictor:
        """The network that runs now, or takes over with the next frame."""
        with self._lock:
            return self._next[0] if self._next else self._predictor

    def swap(self, predictor: Predictor, config: StreamConfig) -> None:
        """Let another network take over between two frames; the old one is closed then.

        Args:
            predictor: The network.
            config: What the stream makes its frames of.
        """
        with self._lock:
            overtaken, self._next = self._next, (predictor, config)
        if overtaken is not None:
            overtaken[0].close()
        self._wake.set()

    def report(self) -> WorkerReport:
        """Return the counts and times so far."""
        with self._lock:
            return WorkerReport(
                frames_out=self._frames_out,
                handled_until=self._handled_until,
                consecutive_overruns=self._overruns,
                stages={name: median(times) for name, times in self._stages.items()},
                last_failure=self._last_failure,
            )

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._take_over()
                self._step()
            except Exception as failure:  # a thread that ends would leave the node mute
                self._remember_failure(f"worker_failed: {failure}")
                self._on_failure("worker_failed", failure)
                self._stop.wait(IDLE_SECONDS)

    def _step(self) -> None:
        """Handle the newest trigger, or wait a little for one."""
        triggers = self._stream.poll(time.monotonic())
        if not triggers:
            self._wake.wait(IDLE_SECONDS)
            self._wake.clear()
            return
        *older, newest = triggers
        for trigger in older:
            self._stream.drop(trigger, "superseded")
            self._on_handled(trigger.stamp, False)
        with self._lock:
            self._overruns = self._overruns + 1 if older else 0
        published = self._handle(newest)
        with self._lock:
            self._handled_until = newest.stamp
            self._frames_out += published
        self._on_handled(newest.stamp, published)
        if not published:
            self._on_drop()

    def _take_over(self) -> None:
        with self._lock:
            if self._next is None:
                return
            replaced = self._predictor
            (self._predictor, config), self._next = self._next, None
            self._stages.clear()
        dropped = self._stream.reconfigure(config)
        replaced.close()
        if dropped:
            self.note_handled(dropped)
            self._on_drop()

    def _handle(self, trigger: Trigger) -> bool:
        """Turn one trigger into a published occupancy; False when it ended as a drop."""
        start = time.monotonic()
        reason = "assemble_failed"
        try:
            frame = self._stream.assemble(trigger)
            if frame is None:
                return False
            assembled = time.monotonic()
            reason = "predict_failed"
            occupancy = self._predictor.predict(frame)
            predicted = time.monotonic()
            reason = "publish_failed"
            self._publish(occupancy)
        except Exception as failure:  # a network that runs out of memory must not end the node
            reason = getattr(failure, "reason", reason)
            self._stream.drop(trigger, reason)
            self._remember_failure(f"{reason}: {failure}")
            self._on_failure(reason, failure)
            return False
        end = time.monotonic()
        self._remember_failure("")
        self._remember(
            {
                "assemble": 1e3 * (assembled - start),
                **self._predictor.timings,
                "publish": 1e3 * (end - predicted),
                "total": 1e3 * (end - start),
            }
        )
        return True

    def _remember_failure(self, text: str) -> None:
        with self._lock:
            self._last_failure = text

    def _remember(self, milliseconds: dict[str, float]) -> None:
        with self._lock:
            for name, value in milliseconds.items():
                self._stages.setdefault(name, deque(maxlen=REMEMBERED_FRAMES)).append(value)
