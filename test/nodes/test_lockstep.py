"""The player waits for the right keyframes and for nothing else."""

import struct

from effocc_ros.nodes.lockstep import Lockstep, header_stamp

SECOND = 1_000_000_000


def test_the_stamp_is_read_from_either_byte_order():
    little = bytes((0, 1, 0, 0)) + struct.pack("<iI", 1532402927, 647951000)
    big = bytes((0, 0, 0, 0)) + struct.pack(">iI", 1532402927, 647951000)
    assert header_stamp(little) == header_stamp(big) == 1532402927647951000


def test_the_bag_plays_on_for_the_slack_and_then_waits():
    lockstep = Lockstep(interval=0.0, slack=0.02)
    lockstep.sent(stamp=100 * SECOND, bag_time=101 * SECOND)
    assert lockstep.due(101 * SECOND + 20_000_000) is None
    assert lockstep.due(101 * SECOND + 20_000_001) == 100 * SECOND


def test_an_answer_lets_the_bag_go_on():
    lockstep = Lockstep(interval=0.0, slack=0.0)
    lockstep.sent(100 * SECOND, 100 * SECOND)
    lockstep.handled_until(100 * SECOND)
    assert lockstep.due(None) is None
    assert (lockstep.keyframes, lockstep.answered) == (1, 1)


def test_an_answer_to_an_older_keyframe_is_not_enough():
    lockstep = Lockstep(interval=0.0, slack=0.0)
    lockstep.sent(100 * SECOND, 100 * SECOND)
    lockstep.sent(101 * SECOND, 101 * SECOND)
    lockstep.handled_until(100 * SECOND)
    assert lockstep.due(None) == 101 * SECOND


def test_sweeps_between_keyframes_are_not_waited_for():
    lockstep = Lockstep(interval=0.5, slack=0.0)
    for tenth in range(10):
        stamp = 100 * SECOND + tenth * SECOND // 10
        lockstep.sent(stamp, stamp)
    assert lockstep.keyframes == 2
    lockstep.handled_until(100 * SECOND + SECOND // 2)
    assert lockstep.due(None) is None


def test_an_answer_left_over_from_the_last_loop_says_nothing():
    lockstep = Lockstep(interval=0.0, slack=0.0)
    lockstep.sent(100 * SECOND, 100 * SECOND)
    lockstep.handled_until(105 * SECOND)
    assert lockstep.due(None) == 100 * SECOND


def test_after_giving_up_the_next_keyframe_is_due():
    lockstep = Lockstep(interval=0.0, slack=0.0)
    lockstep.sent(100 * SECOND, 100 * SECOND)
    lockstep.sent(101 * SECOND, 101 * SECOND)
    lockstep.give_up()
    assert lockstep.due(None) == 101 * SECOND
    assert lockstep.answered == 0


def test_where_the_node_takes_the_next_sweep_the_keyframes_count_from_there():
    lockstep = Lockstep(interval=0.5, slack=0.0)
    tenth = SECOND // 10
    lockstep.sent(100 * SECOND, 100 * SECOND)
    lockstep.handled_until(100 * SECOND)
    lockstep.sent(100 * SECOND + tenth, 100 * SECOND + tenth)
    lockstep.published(100 * SECOND + tenth)
    lockstep.sent(100 * SECOND + 5 * tenth, 100 * SECOND + 5 * tenth)
    assert lockstep.due(None) is None
    lockstep.sent(100 * SECOND + 6 * tenth, 100 * SECOND + 6 * tenth)
    assert lockstep.due(None) == 100 * SECOND + 6 * tenth


def test_a_message_without_a_stamp_is_not_waited_for():
    lockstep = Lockstep(interval=0.0, slack=0.0)
    lockstep.sent(0, 100 * SECOND)
    assert lockstep.due(None) is None


def test_a_frame_that_an_image_of_the_same_stamp_made_counts_when_the_sweep_is_sent():
    lockstep = Lockstep(interval=0.0, slack=0.0)
    lockstep.sent(100 * SECOND, 100 * SECOND)
    lockstep.published(101 * SECOND)
    assert lockstep.due(None) == 100 * SECOND
    lockstep.sent(101 * SECOND, 101 * SECOND)
    assert lockstep.due(None) is None
    assert lockstep.answered == 2
