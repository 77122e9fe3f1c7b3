# SPDX-License-Identifier: Apache-2.0
"""``bag_player``: publish a bag, for machines without ``ros2 bag`` and for slow ones."""

import threading
import time
from collections import Counter
from importlib import import_module

import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Header, String

from effocc_ros.bags.reader import BagMessage, BagReader, BagTopic
from effocc_ros.errors import InputError
from effocc_ros.nodes.handled import HANDLED, HANDLED_QOS, REFERENCE, REFERENCE_QOS
from effocc_ros.nodes.lockstep import Lockstep, header_stamp
from effocc_ros.nodes.parameters import declare
from effocc_ros.nodes.player_settings import PlayerSettings
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
        InputError: No such bag, nobody who listens, or in lockstep a node that makes its frames of
            a topic that the bag does not have.
    """

    def __init__(self, node: Node, stop: threading.Event):
        self.node = node
        self.settings, unknown = declare(node, PlayerSettings, read_only=True)
        for line in unknown:
            node.get_logger().warning(line)
        self._stop = stop
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._sent: Counter[str] = Counter()
        lockstep = self.settings.lockstep
        self._lockstep = Lockstep(self.settings.trigger_interval) if lockstep else None
        self._reference = ""
        self._clock: Publisher | None = None
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
            if "/clock" not in publishers:  # two clocks would jump against each other
                self._clock = self.node.create_publisher(Clock, "/clock", 10)
            if self._lockstep is not None:
                self._listen()
            self._wait_for_listeners(publishers)
            self._wait_for_reference(bag, publishers)
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
            lines.append(self._lockstep.summary())
        return "\n".join(lines)

    def _publishers(self, bag: BagReader) -> dict[str, Publisher]:
        chosen, log = self.settings.topics, self.node.get_logger()
        absent = [name for name in chosen if name not in bag.topics]
        if absent:
            log.warning(f"not in the bag, not played: {', '.join(absent)}")
        # What the node said when the bag was recorded would pass for what it says now.
        said = [name for name in bag.topics if name.startswith(f"{self.settings.node}/output/")]
        if said:
            log.warning(f"recorded of {self.settings.node}, not played: {', '.join(said)}")
        publishers = {}
        for topic in bag.topics.values():
            if (chosen and topic.name not in chosen) or topic.name in said:
                continue
            try:
                package, _, name = topic.msgtype.split("/")
                kind = getattr(import_module(f"{package}.msg"), name)
                qos = _offered(topic, self.settings.queue_depth)
                publishers[topic.name] = self.node.create_publisher(kind, topic.name, qos)
            except Exception as error:  # each missing piece of type support fails its own way
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                log.warning(
                    f"{topic.name}: skipped, no type support for {topic.msgtype} ({reason})"
                )
        if not any(bag.topics[name].count for name in publishers):
            raise InputError(
                f"bag {bag.path}",
                found=f"no message to play on {', '.join(publishers) or 'any topic'}",
                expected=f"messages on topics out of: {', '.join(bag.topics) or '(it has none)'}",
                do="Check parameter topics",
                reason="no_such_topic",
            )
        return publishers

    def _listen(self) -> None:
        def changed(message: String) -> None:
            self._reference = message.data

        def handled(message: Header) -> None:
            self._lockstep.handled(stamp_of(message.stamp), published=bool(message.frame_id))

        node = self.settings.node
        self.node.create_subscription(String, f"{node}/{REFERENCE}", changed, REFERENCE_QOS)
        self.node.create_subscription(Header, f"{node}/{HANDLED}", handled, HANDLED_QOS)

    def _wait_for_reference(self, bag: BagReader, publishers: dict[str, Publisher]) -> None:
        """In lockstep, wait for the node to tell which topic makes its frames."""
        settings = self.settings
        deadline = time.monotonic() + settings.wait_timeout
        while self._lockstep is not None and not self._reference:
            if time.monotonic() > deadline:
                raise InputError(
                    f"lockstep with {settings.node}",
                    found=f"no message on {settings.node}/{REFERENCE} "
                    f"within {settings.wait_timeout} s",
                    expected="an active occupancy node",
                    do="Start and activate the node, check parameter node and ROS_DOMAIN_ID",
                    reason="no_node",
                )
            self._spin(SPIN_SECONDS)
        names = [publisher.topic_name for publisher in publishers.values()]
        if self._lockstep is not None and self._reference not in names:
            raise InputError(
                f"lockstep with {settings.node}",
                found=f"frames made of {self._reference}, which bag {bag.path} does not have",
                expected=f"one of {', '.join(names)}",
                do="Start the node with the bag's rig, or with a model for the sensors it has",
                reason="no_such_topic",
            )

    def _wait_for_listeners(self, publishers: dict[str, Publisher]) -> None:
        wanted = [name for name in self.settings.wait_for if name in publishers]
        absent = [name for name in self.settings.wait_for if name not in publishers]
        if absent:
            self.node.get_logger().warning(f"not in the bag, not waited for: {', '.join(absent)}")
        changed, before = time.monotonic(), wanted
        deadline = changed + self.settings.wait_timeout
        while True:
            lonely = [name for name in wanted if not publishers[name].get_subscription_count()]
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
        if self._lockstep is not None:
            self._lockstep.restart()
        self._origin = (time.monotonic(), bag.start_time)
        self._next_clock = 0
        self._spin(0.0)  # a signal ends a loop of whatever length
        for message in bag.recorded(tuple(publishers)):
            self._send(message, publishers[message.topic])
        self._wait_for_answer(None, bag.end_time)

    def _send(self, message: BagMessage, publisher: Publisher) -> None:
        lockstep, makes_frames = self._lockstep, publisher.topic_name == self._reference
        stamp = header_stamp(message.raw) if lockstep is not None and makes_frames else 0
        self._wait_for_time(message.log_time)
        if stamp:
            self._wait_for_answer(stamp, message.log_time)
        self._tell_time(message.log_time)
        publisher.publish(bytes(message.raw))
        self._sent[message.topic] += 1
        if stamp:
            lockstep.sent(stamp)

    def _tell_time(self, bag_time: int) -> None:
        if self._clock is not None and bag_time >= self._next_clock:
            self._clock.publish(Clock(clock=stamp_message(bag_time)))
            self._next_clock = bag_time + CLOCK_STEP

    def _wait_for_time(self, bag_time: int) -> None:
        start, first = self._origin
        due = start + (bag_time - first) / NANOSECONDS / self.settings.rate
        self._rest(max(due - time.monotonic(), 0.0))

    def _wait_for_answer(self, stamp: int | None, bag_time: int) -> None:
        """Wait until the node is done with the last keyframe.

        Args:
            stamp: Of the reference message to be sent next; None at the end of the bag.
            bag_time: When it is to be sent.
        """
        if self._lockstep is None:
            return
        started = time.monotonic()
        while (due := self._lockstep.due_before(stamp)) is not None:
            waited = time.monotonic() - started
            if waited > self.settings.timeout:
                self.node.get_logger().warning(
                    f"keyframe {due / NANOSECONDS:.3f}: no answer from {self.settings.node} "
                    f"within {self.settings.timeout} s; going on without it"
                )
                self._lockstep.give_up()
                break
            # A node that waits for a late image in ROS time must see time pass.
            self._tell_time(bag_time + round(min(waited, self.settings.slack) * NANOSECONDS))
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


def _offered(topic: BagTopic, depth: int) -> QoSProfile:
    """Offer reliable delivery, which serves every subscriber, and latch what the bag latched."""
    latched = topic.latched or topic.name == "/tf_static"
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
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
        print(player.summary())
    return code
