# SPDX-License-Identifier: Apache-2.0
"""What the node is while it is active: a stream, a pipeline, subscriptions and diagnostics."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from threading import Lock

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node

from effocc_ros.nodes.diagnostics import Snapshot, diagnostics_message
from effocc_ros.nodes.handled import Handled
from effocc_ros.nodes.image_fallback import image_fallback
from effocc_ros.nodes.inputs import Inputs
from effocc_ros.nodes.measures import RecentShare, StandingClock
from effocc_ros.nodes.models import device_memory
from effocc_ros.nodes.outputs import Outputs
from effocc_ros.nodes.pipeline import Pipeline
from effocc_ros.nodes.settings import NodeSettings
from effocc_ros.nodes.startup import input_rows, mismatch, missing, namesakes, table
from effocc_ros.nodes.stream_settings import stream_config
from effocc_ros.nodes.throttle import Throttle, ThrottledWarnings
from effocc_ros.nodes.topics import Topic, reference_topic, sensor_topics
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.predictor import Predictor
from effocc_ros.stream import Problem, Stream, StreamConfig, rectified_cameras

REPORT_SECONDS = 0.1
"""Drops are told at once, but not more often than this."""

DISCOVERY_SECONDS = 2.0
"""When the first start-up table is shown: until then publishers may not be known."""

TABLE_SECONDS = 10.0
"""Seconds between two start-up tables, until the first frame is published."""

ARRIVAL_SECONDS = 2.0
"""How long a new network waits for the first message of each input that is new with it."""


class Session:
    """Runs from activation to deactivation.

    Args:
        node: The occupancy node.
        settings: Its parameters at activation.
        predictor: The network to begin with.
        outputs: Where occupancies go.
        call_soon: Runs a function in the executor's thread.

    Raises:
        InputError: The sensors of this node cannot feed the network.
    """

    def __init__(
        self,
        node: Node,
        settings: NodeSettings,
        predictor: Predictor,
        outputs: Outputs,
        call_soon: Callable[[Callable[[], None]], None],
    ):
        self._node, self._settings, self._call_soon = node, settings, call_soon
        self._outputs, self._mode, self._used = outputs, "", ()
        self._warnings = ThrottledWarnings(node.get_logger())
        self._report_throttle = Throttle(REPORT_SECONDS)
        self._lock = Lock()
        self._problems: dict[str, dict[str, None]] = {}
        self._left_out = 0
        self._drop_ratio, self._clock = RecentShare(), StandingClock()
        self._lost_shares: defaultdict[str, RecentShare] = defaultdict(RecentShare)
        self._next: tuple[Predictor, StreamConfig, list[Topic], float] | None = None
        config = self._config(predictor)
        self._stream = Stream(config, self._on_problem, image_fallback())
        self._inputs = Inputs(node, self._stream, self._received, self._on_useless, call_soon)
        self._mismatches: dict[Topic, str] = {}
        self._pipeline = Pipeline(
            self._stream,
            predictor,
            self._publish,
            self._inputs.now,
            self._on_failure,
            self._on_end,
        )
        self._awaited: StreamConfig | None = None
        self._since = self._now = self._inputs.now()
        self._table_due = time.monotonic() + DISCOVERY_SECONDS
        self._tables, self._same_name = 0, ""
        with ExitStack() as undo:
            self._handled = Handled(node, settings.base_frame)
            undo.callback(self._handled.destroy)
            self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
            undo.callback(node.destroy_publisher, self._diagnostics)
            undo.callback(self._inputs.keep, ())
            self._inputs.subscribe(self._topics(predictor, config))
            # Steady: simulated time may stand still, and then the node must still speak.
            self._timer = node.create_timer(
                settings.diagnostics_period,
                self._tick,
                clock=Clock(clock_type=ClockType.STEADY_TIME),
            )
            undo.pop_all()
        self._pipeline.start()
        self._tell_reference()

    def end(self) -> Predictor:
        """Unsubscribe, finish the frames in hand, and give the network back."""
        if self._next is not None:
            self._hand_over(late=True)
        self._inputs.keep(())
        self._pipeline.stop()
        self._node.destroy_timer(self._timer)
        self.report()
        # Flush the last diagnostics before destroying the publisher.
        self._diagnostics.wait_for_all_acked(Duration(seconds=1))
        self._node.destroy_publisher(self._diagnostics)
        self._handled.destroy()
        return self._pipeline.predictor

    def frames_come_from(self) -> str:
        """Say what makes the frames, for the log."""
        config = self._stream.config
        source = f"images of {config.anchor}" if config.anchor else f"sweeps of {config.lidar}"
        cameras = ", ".join(config.sync.cameras) or "-"
        return f"{source} make the frames, with images of {cameras}"

    def postpone(self) -> None:
        """Let messages wait, and take the newest: they come faster than they can be handled."""
        self._inputs.postpone()

    def swap(self, predictor: Predictor) -> None:
        """Let another network take over between two frames, once its inputs arrive.

        Raises:
            InputError: The sensors of this node cannot feed it.
        """
        config = self._config(predictor)
        new = self._inputs.subscribe(self._topics(predictor, config))
        if self._next is not None:
            self._next[0].close()
        self._next = (predictor, config, new, time.monotonic() + ARRIVAL_SECONDS)
        self._hand_over()

    def report(self) -> None:
        """Publish the diagnostics now."""
        predictor, now = self._pipeline.predictor, self._inputs.now()
        with self._lock:
            problems, self._problems = self._problems, {}
        statistics = self._stream.statistics(now)
        self._tell_left_out()
        snapshot = Snapshot(
            statistics=statistics,
            pipeline=self._pipeline.report(),
            model={
                "model": predictor.name,
                "trained": str(predictor.trained).lower(),
                "modality": predictor.config.modality,
                "device": str(predictor.device),
            },
            trained=predictor.trained,
            memory=device_memory(predictor),
            expected=self._expected(),
            now=now,
            since=self._since,
            interval=self._settings.trigger_interval,
            drop_ratio=self._drop_ratio.of(statistics.frames_in, sum(statistics.drops.values())),
            lost=dict(self._inputs.lost),
            lost_shares=self._lost_lately(),
            mismatches={topic.sensor: why for topic, why in self._mismatches.items()},
            views_superseded=self._outputs.views_superseded,
            mode=self._mode,
            preferred=self._stream.config.references[0],
            used=self._used,
            problems={source: tuple(reasons) for source, reasons in problems.items()},
            clock_stands=self._clock.stands(now),
            view_failure=self._outputs.take_failure(),
        )
        name = self._node.get_fully_qualified_name()
        stamp = self._node.get_clock().now().nanoseconds
        self._diagnostics.publish(diagnostics_message(snapshot, name, stamp))

    def _lost_lately(self) -> dict[str, float]:
        """Return the share of each input's messages of the last minute that never came."""
        inputs, lost = self._inputs, self._inputs.lost
        came: Counter[str] = Counter()
        for topic in inputs.topics:
            came[topic.counted_as] += inputs.counts[topic.name]
        return {
            name: self._lost_shares[name].of(count + lost[name], lost[name])
            for name, count in came.items()
        }

    def _tell_left_out(self) -> None:
        before, self._left_out = self._left_out, self._inputs.left_out
        if self._left_out > before:
            text = (
                "messages came faster than this process could handle them: of each input the "
                f"newest are used, and the others, {self._left_out} so far, are counted as lost"
            )
            self._warnings.say("executor", "behind", text)

    def _tick(self) -> None:
        before, self._now = self._now, self._inputs.now()
        if self._since == 0.0 or self._now < before:  # simulated time begins, or begins anew
            self._since = self._now
        self._follow_publishers()
        self.report()
        self._hand_over()
        silent = not self._pipeline.report().frames_out
        if time.monotonic() >= self._table_due and (silent or not self._tables):
            self._table_due = time.monotonic() + TABLE_SECONDS
            self._show_inputs(silent)

    def _follow_publishers(self) -> None:
        """See why inputs are silent, and ask for what their publishers offer."""
        before, self._mismatches = self._mismatches, {}
        for topic in self._inputs.stalled():
            self._inputs.follow(topic)
            reason = mismatch(topic, self._inputs.publishers(topic))
            if reason:
                self._mismatches[topic] = reason
                if before.get(topic) != reason:
                    name = self._node.resolve_topic_name(topic.name)
                    self._node.get_logger().warning(f"{name} cannot be heard: {reason}")

    def _show_inputs(self, silent: bool) -> None:
        rows = input_rows(self._node, self._inputs, self._stream)
        logger = self._node.get_logger()
        logger.info(f"inputs:\n{table(rows)}")
        if silent and (
            self._tables or any(row.mismatch or row.missed or row.useless for row in rows)
        ):
            config = self._stream.config
            reference = config.references[0]
            logger.warning(missing(rows, reference, self._stream.localised()))
        before, self._same_name = self._same_name, namesakes(self._node)
        if self._same_name not in ("", before):
            logger.warning(self._same_name)
        self._tables += 1

    def _config(self, predictor: Predictor) -> StreamConfig:
        name = self._node.resolve_topic_name
        topics = {each: name(f"~/input/{each}/image") for each in self._settings.cameras}
        config = stream_config(self._settings, predictor.config)
        return replace(config, rectified=rectified_cameras(topics))

    def _topics(self, predictor: Predictor, config: StreamConfig) -> list[Topic]:
        lidar = predictor.config.modality != "vision" or not config.anchor
        return sensor_topics(self._settings, config, lidar)

    def _expected(self) -> tuple[str, ...]:
        sensors = [topic.sensor for topic in self._inputs.topics if topic.sensor != "tf"]
        return tuple(dict.fromkeys([*sensors, *self._stream.lidars_without_topic]))

    def _received(self, now: float) -> None:
        if self._next is not None:
            self._hand_over()
        self._pipeline.poll(now)
        if self._awaited is None and self._stream.reference != self._reference:
            self._tell_reference()

    def _hand_over(self, late: bool = False) -> None:
        """Swap networks once every input that is new with the next one has sent something."""
        if self._next is None:
            return
        predictor, config, new, deadline = self._next
        late = late or time.monotonic() >= deadline
        if not late and not all(self._inputs.counts[topic.name] for topic in new):
            return
        self._next = None
        topics = self._topics(predictor, config)
        self._awaited = config
        self._pipeline.swap(
            predictor, config, lambda: self._call_soon(partial(self._taken_over, config, topics))
        )
        self._tell_reference(config)

    def _tell_reference(self, config: StreamConfig | None = None) -> None:
        """Tell which topic makes the frames now, or will with another config."""
        self._reference = config.references[0] if config else self._stream.reference
        sensor = self._stream.topic_sensor(self._reference)
        self._handled.frames_from(reference_topic(config or self._stream.config, sensor))

    def _taken_over(self, config: StreamConfig, topics: list[Topic]) -> None:
        if self._awaited is config:
            self._awaited = None
        if self._next is None:
            self._inputs.keep(topics)

    def _publish(self, occupancy: SemanticOccupancy) -> None:
        self._outputs.publish(occupancy)
        if self._mode not in ("", occupancy.mode):
            used = ", ".join(occupancy.inputs)
            self._node.get_logger().info(
                f"mode {occupancy.mode}, was {self._mode}: made of {used}"
            )
        self._mode, self._used = occupancy.mode, occupancy.inputs

    def _on_problem(self, problem: Problem) -> None:
        with self._lock:
            source = problem.source.split(" ", 1)[0]
            self._problems.setdefault(source, {})[problem.reason] = None
        self._warnings.say(problem.source, problem.reason, problem.text)

    def _on_failure(self, reason: str, failure: Exception) -> None:
        self._warnings.say("pipeline", reason, f"{reason}: {type(failure).__name__}: {failure}")

    def _on_useless(self, stamp: int) -> None:
        """End a reference message that cannot be used: whoever waits for it must hear."""
        self._on_end(stamp, False)

    def _on_end(self, stamp: int, published: bool) -> None:
        self._handled.tell(stamp, published)
        if not published and self._report_throttle.allow("drop", time.monotonic()) is not None:
            self.report()
