# SPDX-License-Identifier: Apache-2.0
"""Messages that never came are counted by the numbers that their publishers gave them."""

import time

import pytest

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

import rclpy
from helpers.waiting import wait_until
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Empty

from effocc_ros.nodes.domains import own_domain
from effocc_ros.nodes.executor import events_executor
from effocc_ros.nodes.numbering import MOST_PUBLISHERS, Numbering, WithInfo


def info(number, publisher=b"a"):
    return {"publication_sequence_number": number, "publisher_gid": {"data": publisher}}


def lost(*arrivals) -> list[int]:
    numbering = Numbering()
    return [numbering.lost_before(each) for each in arrivals]


def test_a_gap_is_counted_once_and_what_was_sent_before_the_first_is_none():
    assert lost(*map(info, (7, 8, 11, 12, 20))) == [0, 0, 2, 0, 7]


def test_what_comes_again_or_late_is_not_new():
    assert lost(*map(info, (1, 2, 2, 5, 4, 5, 6))) == [0, 0, 0, 2, 0, 0, 0]


def test_each_publisher_counts_for_itself():
    arrivals = [info(1, b"a"), info(40, b"b"), info(2, b"a"), info(42, b"b")]
    assert lost(*arrivals) == [0, 0, 0, 1]


def test_publishers_that_come_and_go_are_forgotten_but_not_the_one_that_stays():
    numbering = Numbering()
    for each in range(3 * MOST_PUBLISHERS):
        numbering.lost_before(info(1 + each, b"stays"))
        numbering.lost_before(info(1, str(each).encode()))
    assert numbering.lost_before(info(3 * MOST_PUBLISHERS + 2, b"stays")) == 1
    assert len(numbering._last) == MOST_PUBLISHERS


@pytest.mark.parametrize("without", [{}, info(None), {"source_timestamp": 5}])
def test_a_middleware_that_tells_no_numbers(without):
    numbering = Numbering()
    assert numbering.lost_before(without) == 0
    assert not numbering.known


@pytest.mark.parametrize("executor", ["wait set", "events"])
def test_what_overflows_in_dds_is_counted(executor):
    kind = {"wait set": SingleThreadedExecutor, "events": events_executor()}[executor]
    if kind is None:
        pytest.skip("rclpy has no EventsExecutor")
    numbering, gaps = Numbering(), []
    with own_domain() as domain:
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=domain)
        sender, node = (Node(name, context=context) for name in ("sender", "receiver"))
        take = WithInfo(lambda message, info: gaps.append(numbering.lost_before(info)))
        node.create_subscription(Empty, "data", take, 3)
        publisher = sender.create_publisher(Empty, "data", 100)
        wait_until(lambda: publisher.get_subscription_count(), "the subscription")
        executor = kind(context=context)
        executor.add_node(node)

        def publish(count):
            for _ in range(count):
                publisher.publish(Empty())
            time.sleep(0.2)  # DDS delivers within the process meanwhile
            while len(gaps) < received:
                executor.spin_once(timeout_sec=1.0)

        received = 1
        publish(1)
        received = 4
        publish(10)  # of which the subscription keeps three
        received = 5
        publish(1)
        executor.shutdown()
        rclpy.shutdown(context=context)
    assert gaps == [0, 7, 0, 0, 0]
