"""What the node is while it is active: a stream, a worker, subscriptions and diagnostics."""

import threading
import time
from dataclasses import replace
from types import SimpleNamespace

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node

from effocc_ros.nodes.diagnostics import Snapshot, diagnostics_message
from effocc_ros.nodes.image_fallback import image_fallback
from effocc_ros.nodes.intake import Intake
from effocc_ros.nodes.models import device_memory
from effocc_ros.nodes.outputs import Outputs
from effocc_ros.nodes.stream_settings import stream_config
from effocc_ros.nodes.throttle import Throttle
from effocc_ros.nodes.worker import Worker
from effocc_ros.predictor import Predictor
from effocc_ros.stream import Problem, Stream, StreamConfig, rectified_cameras

QUIET_SECONDS = 5.0
"""A complaint about the same source for the same reason is not repeated sooner."""

REPORT_SECONDS = 0.1
"""Drops are told at once, but not more often than this."""


class Session:
    """Runs from activation to deactivation.

    Args:
        node: The occupancy node.
        settings: Its parameters at activation.
        predictor: The network to begin with.
        outputs: Where occupancies go.
    """

    def __init__(
        self, node: Node, settings: SimpleNamespace, predictor: Predictor, outputs: Outputs
    ):
        self._node, self._settings = node, settings
        self._throttle = Throttle(QUIET_SECONDS)
        self._report_throttle = Throttle(REPORT_SECONDS)
        self._lock = threading.Lock()
        self._problems: dict[str, None] = {}
        self._stream = Stream(self._config(predictor), self._on_problem, image_fallback())
        self._worker = Worker(
            self._stream, predictor, outputs.publish, self._on_failure, self._on_drop
        )
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # Sensor messages come in while the default group waits for a model to load.
        group = MutuallyExclusiveCallbackGroup()
        self._intake = Intake(
            node, settings, self._stream, self._worker.wake, self._on_useless, group
        )
        # Steady: simulated time may stand still, and then the node must still speak.
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(
            settings.diagnostics_period, self.report, callback_group=group, clock=clock
        )
        self._worker.start()

    def end(self) -> Predictor:
        """Unsubscribe, finish the frame in hand, and give the network back."""
        self._intake.destroy()
        self._worker.stop()
        self._node.destroy_timer(self._timer)
        self.report()
        # The last word must be out before its publisher goes.
        self._diagnostics.wait_for_all_acked(Duration(seconds=1))
        self._node.destroy_publisher(self._diagnostics)
        return self._worker.predictor

    def frames_come_from(self) -> str:
        """Say what makes the frames, for the log."""
        config = self._stream.config
        source = f"images of {config.anchor}" if config.anchor else f"sweeps of {config.lidar}"
        return f"{source} make the frames, with images of {', '.join(config.sync.cameras) or '-'}"

    def swap(self, predictor: Predictor) -> None:
        """Let another network take over between two frames.

        Raises:
            InputError: The sensors of this node cannot feed it.
        """
        self._worker.swap(predictor, self._config(predictor))

    def _config(self, predictor: Predictor) -> StreamConfig:
        name = self._node.resolve_topic_name
        topics = {each: name(f"~/input/{each}/image") for each in self._settings.cameras}
        config = stream_config(self._settings, predictor.config)
        return replace(config, rectified=rectified_cameras(topics))

    def report(self) -> None:
        """Publish the diagnostics now."""
        predictor = self._worker.predictor
        with self._lock:
            problems, self._problems = tuple(self._problems), {}
        snapshot = Snapshot(
            statistics=self._stream.statistics(),
            worker=self._worker.report(),
            model={
                "model": predictor.name,
                "trained": str(predictor.trained).lower(),
                "mode": predictor.config.modality,
                "device": str(predictor.device),
            },
            memory=device_memory(predictor),
            expected=self._expected(predictor),
            now=time.monotonic(),
            problems=problems,
        )
        name = self._node.get_fully_qualified_name()
        stamp = self._node.get_clock().now().nanoseconds
        self._diagnostics.publish(diagnostics_message(snapshot, name, stamp))

    def _expected(self, predictor: Predictor) -> tuple[str, ...]:
        config = self._stream.config
        lidar = () if predictor.config.modality == "vision" else (config.lidar,)
        return (*config.sync.cameras, *lidar)

    def _on_problem(self, problem: Problem) -> None:
        with self._lock:
            self._problems[f"{problem.source}: {problem.reason}"] = None
        self._complain((problem.source, problem.reason), problem.text)

    def _on_failure(self, reason: str, failure: Exception) -> None:
        self._complain(("worker", reason), f"{reason}: {type(failure).__name__}: {failure}")

    def _complain(self, key: tuple[str, str], text: str) -> None:
        held = self._throttle.allow(key, time.monotonic())
        if held is not None:
            more = f" ({held} more since the last such line)" if held else ""
            self._node.get_logger().warning(f"{text}{more}")

    def _on_useless(self, stamp: int) -> None:
        """A reference message that cannot be used ends here; whoever waits for it must hear."""
        self._worker.note_handled(stamp)
        self._on_drop()

    def _on_drop(self) -> None:
        if self._report_throttle.allow("drop", time.monotonic()) is not None:
            self.report()
