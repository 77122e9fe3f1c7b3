# SPDX-License-Identifier: Apache-2.0
"""Messages that wait come back in order, and the oldest of a full topic goes."""

from effocc_ros.nodes.newest import Newest


def drained(newest):
    return list(iter(newest.pop, None))


def test_messages_come_back_in_the_order_they_came_in():
    newest = Newest()
    sent = [("a", b"1"), ("b", b"2"), ("a", b"3"), ("c", b"4")]
    assert not any(newest.add(topic, raw, 2) for topic, raw in sent)
    assert drained(newest) == sent
    assert newest.pop() is None


def test_a_topic_keeps_as_many_as_its_depth_and_says_what_it_cost():
    newest = Newest()
    lost = [newest.add("a", bytes([number]), 2) for number in range(4)]
    assert lost == [False, False, True, True]
    assert not newest.add("b", b"b", 1)
    assert drained(newest) == [("a", b"\2"), ("a", b"\3"), ("b", b"b")]


def test_a_topic_that_is_forgotten_leaves_the_others():
    newest = Newest()
    newest.add("a", b"1", 2)
    newest.add("b", b"2", 2)
    newest.forget("a")
    newest.forget("never came")
    assert drained(newest) == [("b", b"2")]
