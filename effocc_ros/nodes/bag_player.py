"""``bag_player``: publish a bag, for machines without ``ros2 bag`` and for slow ones."""

import threading
import time
from collections import Counter
from importlib import import_module

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosbags.interfaces import QosReliability
from rosgraph_msgs.msg import Clock

from effocc_ros.bags.reader import BagMessage, BagReader, BagTopic
from effocc_ros.errors import InputError
from effocc_ros.msg import SemanticOccupancy
from effocc_ros.nodes.lockstep import Lockstep, header_stamp
from effocc_ros.nodes.player_parameters import declare_parameters
from effocc_ros.nodes.stopping import SPIN_SECONDS, ros_until_signal
from effocc_ros.nodes.to_message import stamp_message, stamp_of
from effocc_ros.stamps import NANOSECONDS

CLOCK_STEP = 10_000_000
"""Nanoseconds of bag time between two messages on /clock."""


ACKNOWLEDGE_SECONDS = 5
"""How long the end of a bag waits for slow subscribers, per topic."""


SETTLED_SECONDS = 2.0
"""After so long without a new subscriber, those that are there are all."""


class Stopped(Exception):
    """The player was told to end."""


class BagPlayer:
    """Publishes a bag in its own time, or in step with the occupancy node.

    Args:
        node: The node that publishes.
        stop: Ends the playing when set.

    Raises:
        InputError: No such bag, or a lockstep topic that the bag does not have.
    """

    def __init__(self, node: Node, stop: threading.Event):
        self.node = node
        self.settings = declare_parameters(node)
        self._stop = stop
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._sent: Counter[str] = Counter()
        self._lockstep: Lockstep | None = None
        self._clock = self.node.create_publisher(Clock, "/clock", 10)
        self._next_clock = 0
        self._origin: tuple[float, int] = (0.0, 0)

    def play(self) -> int:
        """Play the bag, once or in a loop; return the number of messages sent."""
        if not self.settings.bag:
            raise InputError(
                "parameter bag",
                found="nothing",
                expected="the folder of a rosbag2, or one .mcap or .db3 file",
                do="Give -p bag:=PATH",
                reason="no_such_bag",
            )
        with BagReader(self.settings.bag) as bag:
            publishers = self._publishers(bag)
            if self.settings.lockstep:
                self._listen(bag)
            self._wait_for_listeners(publishers)
            while True:
                self._play_once(bag, publishers)
                if not self.settings.loop:
                    break
            self._wait_until_acknowledged(publishers)
        return sum(self._sent.values())

    def summary(self) -> str:
        """Say what was sent."""
        lines = [f"{count:7d}  {topic}" for topic, count in sorted(self._sent.items())]
        if self._lockstep is not None:
            answered, keyframes = self._lockstep.answered, self._lockstep.keyframes
            lines.append(f"{answered} of {keyframes} keyframes answered")
        return "\n".join(lines)

    def _publishers(self, bag: BagReader) -> dict[str, Publisher]:
        publishers = {}
        for topic in bag.topics.values():
            if self.settings.topics and topic.name not in self.settings.topics:
                continue
            try:
                package, _, name = topic.msgtype.split("/")
                kind = getattr(import_module(f"{package}.msg"), name)
                qos = _offered(topic, self.settings.queue_depth, self.settings.lockstep)
                publishers[topic.name] = self.node.create_publisher(kind, topic.name, qos)
            except Exception as error:  # each missing piece of type support fails its own way
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                self.node.get_logger().warning(
                    f"{topic.name}: skipped, no type support for {topic.msgtype} ({reason})"
                )
        return publishers

    def _listen(self, bag: BagReader) -> None:
        settings = self.settings
        if settings.points_topic not in bag.topics:
            raise InputError(
                f"points_topic {settings.points_topic}",
                found=f"no such topic in bag {bag.path}",
                expected=f"a topic out of {', '.join(bag.topics)}",
                do="Set points_topic to the topic whose messages make frames",
                reason="no_such_topic",
            )
        self.node.create_subscription(
            SemanticOccupancy,
            f"{settings.node}/output/occupancy",
            self._published,
            10,
        )
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnosed, 10)

    def _published(self, message: SemanticOccupancy) -> None:
        if self._lockstep is not None:
            self._lockstep.published(stamp_of(message.header.stamp))

    def _diagnosed(self, message: DiagnosticArray) -> None:
        for status in message.status:
            for pair in status.values:
                ours = status.name.startswith(self.settings.node)
                if ours and pair.key == "handled_until" and self._lockstep is not None:
                    self._lockstep.handled_until(int(pair.value))

    def _wait_for_listeners(self, publishers: dict[str, Publisher]) -> None:
        wanted = self.settings.wait_for
        absent = [name for name in wanted if name not in publishers]
        if absent:
            self.node.get_logger().warning(f"not in the bag, not waited for: {', '.join(absent)}")
        changed, before = time.monotonic(), wanted
        deadline = changed + self.settings.wait_timeout
        while True:
            lonely = [
                name
                for name in wanted
                if name in publishers and not publishers[name].get_subscription_count()
            ]
            if lonely != before:
                changed, before = time.monotonic(), lonely
            # The node subscribes only to what its model uses.
            settled = len(lonely) < len(wanted) and time.monotonic() > changed + SETTLED_SECONDS
            if not lonely or settled:
                break
            if time.monotonic() > deadline:
                raise InputError(
                    f"listeners of {', '.join(lonely)}",
                    found=f"none within {self.settings.wait_timeout} s",
                    expected="subscribers on topics of wait_for",
                    do="Start the node, check its remappings and ROS_DOMAIN_ID",
                    reason="no_listener",
                )
            self._spin(SPIN_SECONDS)
        self._rest(self.settings.start_delay)

    def _play_once(self, bag: BagReader, publishers: dict[str, Publisher]) -> None:
        if self.settings.lockstep:
            before = self._lockstep
            self._lockstep = Lockstep(self.settings.trigger_interval, self.settings.slack)
            if before is not None:
                self._lockstep.keyframes += before.keyframes
                self._lockstep.answered += before.answered
        self._origin = (time.monotonic(), bag.start_time)
        self._next_clock = 0
        for message in bag.messages(topics=tuple(publishers)):
            self._wait_for_answer(message.log_time)
            self._wait_for_time(message.log_time)
            self._send(message, publishers[message.topic])
        self._wait_for_answer(None)

    def _send(self, message: BagMessage, publisher: Publisher) -> None:
        if message.log_time >= self._next_clock:
            self._clock.publish(Clock(clock=stamp_message(message.log_time)))
            self._next_clock = message.log_time + CLOCK_STEP
        publisher.publish(bytes(message.raw))
        self._sent[message.topic] += 1
        if self._lockstep is not None and message.topic == self.settings.points_topic:
            self._lockstep.sent(header_stamp(message.raw), message.log_time)

    def _wait_for_time(self, bag_time: int) -> None:
        start, first = self._origin
        due = start + (bag_time - first) / NANOSECONDS / self.settings.rate
        self._rest(max(due - time.monotonic(), 0.0))

    def _wait_for_answer(self, bag_time: int | None) -> None:
        if self._lockstep is None:
            return
        started = time.monotonic()
        while (stamp := self._lockstep.due(bag_time)) is not None:
            if time.monotonic() - started > self.settings.timeout:
                self.node.get_logger().warning(
                    f"keyframe {stamp / NANOSECONDS:.3f}: no answer from {self.settings.node} "
                    f"within {self.settings.timeout} s; going on without it"
                )
                self._lockstep.give_up()
                started = time.monotonic()
                continue
            self._spin(SPIN_SECONDS)
        # Bag time stood still meanwhile.
        start, first = self._origin
        self._origin = (start + time.monotonic() - started, first)

    def _wait_until_acknowledged(self, publishers: dict[str, Publisher]) -> None:
        for publisher in publishers.values():
            with_reader = publisher.get_subscription_count()
            if with_reader and hasattr(publisher, "wait_for_all_acked"):
                publisher.wait_for_all_acked(Duration(seconds=ACKNOWLEDGE_SECONDS))

    def _rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while True:
            self._spin(min(max(end - time.monotonic(), 0.0), SPIN_SECONDS))
            if time.monotonic() >= end:
                return

    def _spin(self, seconds: float) -> None:
        if self._stop.is_set():
            raise Stopped
        self._executor.spin_once(timeout_sec=seconds)


def _offered(topic: BagTopic, depth: int, lossless: bool) -> QoSProfile:
    """Offer what the bag's own publishers offered; reliable where it does not say or must be."""
    best_effort = (
        not lossless
        and topic.qos
        and all(profile.reliability == QosReliability.BEST_EFFORT for profile in topic.qos)
    )
    latched = topic.latched or topic.name == "/tf_static"
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE,
        durability=(DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE),
    )


def main(args: list[str] | None = None) -> int:
    """Run the player; return 0 when the bag was played or a signal ended it, 1 on bad input."""
    with ros_until_signal(args) as stop:
        player = BagPlayer(rclpy.create_node("bag_player"), stop)
        code = 0
        try:
            player.play()
        except Stopped:
            player.node.get_logger().info("stopped")
        except InputError as error:
            player.node.get_logger().fatal(str(error))
            code = 1
        print(player.summary(), flush=True)
    return code
