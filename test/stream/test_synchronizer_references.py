# SPDX-License-Identifier: Apache-2.0
"""Which references make a trigger: one for a stamp, an interval apart, also after a jump."""

import pytest
from helpers.matching import INFINITY, MS, SECOND, START, images, synchronizer

from effocc_ros.stream.sync_config import SyncConfig


def test_references_between_keyframes_are_not_taken_in():
    made = synchronizer("A", trigger_interval=0.5)
    # 20 Hz with a tremble of 0.8 ms.
    stamps = [START + index * 50 * MS - (800_000 if index % 10 == 0 else 0) for index in range(21)]
    taken = [index for index, stamp in enumerate(stamps) if made.add_reference(stamp, None, 0.0)]
    assert taken == [0, 10, 20]
    assert made.taken_in == 3


def test_a_full_queue_drops_the_oldest_by_name():
    made = synchronizer("A", queue=2, longest_queue=2)
    for index in range(5):
        made.add_reference(START + index * 100 * MS, index, 0.0)
    assert dict(made.drops) == {"queue_full": 3}
    assert [trigger.reference for trigger in made.ready(INFINITY)] == [3, 4]


@pytest.mark.parametrize("interval", [0.0, 0.5])
def test_one_stamp_makes_one_trigger_however_often_it_comes(interval):
    made = synchronizer("A", trigger_interval=interval)
    assert made.add_reference(START, "first", 0.0)
    assert not made.add_reference(START, "again", 0.0)
    assert [trigger.reference for trigger in made.ready(INFINITY)] == ["first"]
    assert not made.add_reference(START, "once more", 3.0)
    assert made.ready(INFINITY) == []
    assert not made.drops


def test_a_reference_that_goes_back_by_less_than_a_second_is_ignored():
    made = synchronizer("A")
    assert made.add_reference(START, "first", 0.0)
    for back in (1, 150 * MS, SECOND):
        assert not made.add_reference(START - back, "late", 0.0)
    assert made.is_news(START - SECOND - 1)
    assert [trigger.reference for trigger in made.ready(INFINITY)] == ["first"]
    assert not made.drops


def test_a_jump_back_drops_what_waits_by_name():
    made = synchronizer("A")
    made.add_reference(START + 20 * SECOND, "old", 0.0)
    made.add_reference(START, "new", 0.0)
    assert dict(made.drops) == {"jump_back": 1}
    assert [trigger.reference for trigger in made.ready(INFINITY)] == ["new"]


def test_after_a_jump_back_images_of_the_round_before_do_not_end_the_wait():
    made = synchronizer("A")
    made.add_image("A", START + 20 * SECOND, "old")
    made.add_reference(START + 20 * SECOND, None, 0.0)
    assert len(made.ready(0.0)) == 1
    made.add_reference(START, None, 1.0)
    assert made.ready(1.01) == [], "the camera of this round has not come yet"
    made.add_image("A", START + 5 * MS, "new")
    assert images(made.ready(1.02)[0]) == {"A": 5}


def test_images_of_the_new_round_that_came_before_its_reference_are_kept():
    made = synchronizer("A")
    made.add_image("A", START + 20 * SECOND, "old")
    made.add_reference(START + 20 * SECOND, None, 0.0)
    made.ready(0.0)
    made.add_image("A", START, "new")
    made.add_reference(START, None, 1.0)
    assert images(made.ready(1.0)[0]) == {"A": 0}


def test_one_image_with_a_stamp_from_the_future_does_no_lasting_harm():
    made = synchronizer("A")
    made.add_image("A", START + 1000 * SECOND, "glitch")
    made.add_image("A", START, "good")
    made.add_reference(START, None, 0.0)
    assert images(made.ready(0.0)[0]) == {"A": 0}


def test_other_cameras_may_be_matched_from_now_on():
    made = synchronizer("A", "B")
    for name in ("A", "B"):
        made.add_image(name, START, None)
    made.add_reference(START, None, 0.0)
    made.reconfigure(SyncConfig(cameras=("B", "C")))
    (trigger,) = made.ready(INFINITY)
    assert list(trigger.images) == ["B"]
    assert trigger.missing == {"C": None}
