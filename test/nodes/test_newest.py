# SPDX-License-Identifier: Apache-2.0
"""Messages that wait come back in order, and the oldest of a full topic goes."""

from effocc_ros.nodes.newest import Newest


def test_messages_come_back_in_the_order_they_came_in():
    newest = Newest()
    sent = [("a", b"1"), ("b", b"2"), ("a", b"3"), ("c", b"4")]
    assert not any(newest.add(topic, raw, 2) for topic, raw in sent)
    assert newest.take() == sent
    assert newest.take() == []


def test_a_topic_keeps_as_many_as_its_depth_and_says_what_it_cost():
    newest = Newest()
    lost = [newest.add("a", bytes([number]), 2) for number in range(4)]
    assert lost == [False, False, True, True]
    assert not newest.add("b", b"b", 1)
    assert newest.take() == [("a", b"\2"), ("a", b"\3"), ("b", b"b")]
