# SPDX-License-Identifier: Apache-2.0
"""The player waits for the right keyframes and for nothing else."""

import struct

from effocc_ros.nodes.lockstep import Lockstep, header_stamp

SECOND = 1_000_000_000
TENTH = SECOND // 10


def counts(lockstep):
    return lockstep.keyframes, lockstep.frames, lockstep.dropped, lockstep.unanswered


def test_the_stamp_is_read_from_either_byte_order():
    little = bytes((0, 1, 0, 0)) + struct.pack("<iI", 1532402927, 647951000)
    big = bytes((0, 0, 0, 0)) + struct.pack(">iI", 1532402927, 647951000)
    assert header_stamp(little) == header_stamp(big) == 1532402927647951000


def test_the_first_keyframe_waits_for_nothing():
    assert Lockstep(interval=0.0).due_before(100 * SECOND) is None


def test_the_next_keyframe_waits_for_the_last_one():
    lockstep = Lockstep(interval=0.0)
    lockstep.sent(100 * SECOND)
    assert lockstep.due_before(101 * SECOND) == 100 * SECOND
    assert lockstep.due_before(None) == 100 * SECOND


def test_a_frame_and_a_drop_both_let_the_bag_go_on_and_are_told_apart():
    lockstep = Lockstep(interval=0.0)
    lockstep.sent(100 * SECOND)
    lockstep.handled(100 * SECOND, published=True)
    assert lockstep.due_before(101 * SECOND) is None
    lockstep.sent(101 * SECOND)
    lockstep.handled(101 * SECOND, published=False)
    assert lockstep.due_before(None) is None
    assert counts(lockstep) == (2, 1, 1, 0)
    assert lockstep.summary() == "2 keyframes: 1 frames, 1 dropped, 0 without an answer"


def test_an_answer_to_an_older_keyframe_is_not_enough():
    lockstep = Lockstep(interval=0.0)
    lockstep.sent(101 * SECOND)
    lockstep.handled(100 * SECOND, published=True)
    assert lockstep.due_before(None) == 101 * SECOND


def test_messages_between_keyframes_go_out_before_the_player_waits():
    lockstep = Lockstep(interval=0.5)
    for tenth in range(5):
        stamp = 100 * SECOND + tenth * TENTH
        assert lockstep.due_before(stamp) is None
        lockstep.sent(stamp)
    assert lockstep.keyframes == 1
    assert lockstep.due_before(100 * SECOND + 5 * TENTH) == 100 * SECOND


def test_an_answer_left_over_from_the_last_round_says_nothing():
    lockstep = Lockstep(interval=0.0)
    lockstep.sent(105 * SECOND)
    lockstep.handled(105 * SECOND, published=True)
    lockstep.restart()
    lockstep.sent(100 * SECOND)
    lockstep.handled(105 * SECOND, published=True)
    assert lockstep.due_before(None) == 100 * SECOND
    assert counts(lockstep) == (2, 1, 0, 0)


def test_after_giving_up_the_bag_goes_on():
    lockstep = Lockstep(interval=0.0)
    lockstep.sent(100 * SECOND)
    lockstep.give_up()
    assert lockstep.due_before(101 * SECOND) is None
    assert counts(lockstep) == (1, 0, 0, 1)


def test_where_the_node_takes_the_next_sweep_the_keyframes_count_from_there():
    lockstep = Lockstep(interval=0.5)
    lockstep.sent(100 * SECOND)
    lockstep.handled(100 * SECOND, published=False)
    lockstep.sent(100 * SECOND + TENTH)
    lockstep.handled(100 * SECOND + TENTH, published=True)
    assert counts(lockstep) == (2, 1, 1, 0)
    lockstep.sent(100 * SECOND + 5 * TENTH)
    assert lockstep.due_before(None) is None
    lockstep.sent(100 * SECOND + 6 * TENTH)
    assert lockstep.due_before(None) == 100 * SECOND + 6 * TENTH


def test_an_image_with_the_stamp_of_the_sweep_before_it_is_no_keyframe_of_its_own():
    lockstep = Lockstep(interval=0.0)
    lockstep.sent(100 * SECOND)
    assert lockstep.due_before(100 * SECOND) is None
    lockstep.sent(100 * SECOND)
    lockstep.handled(100 * SECOND, published=True)
    lockstep.handled(100 * SECOND, published=True)
    assert lockstep.due_before(None) is None
    assert counts(lockstep) == (1, 1, 0, 0)


def test_a_message_without_a_stamp_is_not_waited_for():
    lockstep = Lockstep(interval=0.0)
    lockstep.sent(100 * SECOND)
    assert lockstep.due_before(0) is None
    lockstep.sent(0)
    assert lockstep.due_before(None) == 100 * SECOND


def test_a_late_copy_of_an_answered_keyframe_changes_nothing():
    lockstep = Lockstep(interval=0.0)
    for tenth in range(10):
        stamp = 100 * SECOND + tenth * TENTH
        assert lockstep.due_before(stamp) is None
        lockstep.sent(stamp)
        lockstep.sent(stamp - 2 * TENTH)
        assert lockstep.due_before(None) == stamp
        lockstep.handled(stamp, published=True)
    assert lockstep.due_before(None) is None
    assert counts(lockstep) == (10, 10, 0, 0)


def test_a_copy_from_far_back_is_a_keyframe_of_its_own_as_it_is_to_the_node():
    lockstep = Lockstep(interval=0.0)
    for stamp in (102 * SECOND, 100 * SECOND, 103 * SECOND):
        lockstep.sent(stamp)
        assert lockstep.due_before(None) == stamp
        lockstep.handled(stamp, published=True)
    assert counts(lockstep) == (3, 3, 0, 0)
