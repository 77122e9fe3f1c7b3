# SPDX-License-Identifier: Apache-2.0
"""How long a trigger waits for its images and for tf, and which images it takes."""

import pytest
from helpers.matching import INFINITY, MS, START, images, synchronizer

from effocc_ros.stream.sync_config import SyncConfig
from effocc_ros.stream.synchronizer import Readiness, Synchronizer


def test_a_trigger_waits_until_every_camera_has_come():
    made = synchronizer("A", "B")
    made.add_reference(START, "sweep", 5.0)
    made.add_image("A", START + 3 * MS, "a")
    assert made.ready(5.01) == []
    made.add_image("B", START - 4 * MS, "b")
    (trigger,) = made.ready(5.02)
    assert (trigger.stamp, trigger.reference) == (START, "sweep")
    assert trigger.images == {"A": (START + 3 * MS, "a"), "B": (START - 4 * MS, "b")}
    assert made.ready(9.0) == []


def test_a_camera_that_is_late_is_left_out_after_the_wait():
    made = synchronizer("A", "B", max_wait=0.1)
    made.add_image("A", START, "a")
    made.add_image("B", START - 300 * MS, "b")
    made.add_reference(START, None, 5.0)
    assert made.ready(5.099) == []
    (trigger,) = made.ready(5.101)
    assert list(trigger.images) == ["A"]
    assert trigger.missing == {"B": 300 * MS}


def test_a_closer_image_is_waited_for():
    made = synchronizer("A", accept_within=0.02)
    made.add_image("A", START - 40 * MS, "old")
    made.add_reference(START, None, 0.0)
    assert made.ready(0.0) == []
    made.add_image("A", START + 43 * MS, "new")
    assert images(made.ready(0.0)[0]) == {"A": -40}


def test_an_image_that_is_close_enough_is_taken_at_once():
    made = synchronizer("A", accept_within=0.02)
    made.add_image("A", START - 20 * MS, "near")
    made.add_reference(START, None, 0.0)
    assert images(made.ready(0.0)[0]) == {"A": -20}


def test_offsets_say_where_a_camera_is_expected():
    made = synchronizer("A", "B", offsets={"A": -0.04, "B": 0.03}, accept_within=0.0)
    for name in ("A", "B"):
        for shift in range(-80, 81, 10):
            made.add_image(name, START + shift * MS, None)
    made.add_reference(START, None, 0.0)
    assert images(made.ready(0.0)[0]) == {"A": -40, "B": 30}


def test_a_silent_camera_is_not_waited_for_and_its_image_is_used_if_there_is_one():
    made = synchronizer("A", "B")
    made.add_image("A", START, "a")
    made.add_reference(START, None, 0.0)
    assert made.ready(0.0) == []
    assert [images(trigger) for trigger in made.ready(0.0, silent=["B"])] == [{"A": 0}]
    for name in ("A", "B"):
        made.add_image(name, START + 100 * MS, name)
    made.add_reference(START + 100 * MS, None, 0.1)
    assert images(made.ready(0.1, silent=["B"])[0]) == {"A": 0, "B": 0}


def test_offsets_count_from_the_sensor_that_makes_the_trigger():
    made = synchronizer("A", "B", offsets={"A": -0.04, "B": 0.03}, accept_within=0.0)
    for name in ("A", "B"):
        for shift in range(-80, 81, 10):
            made.add_image(name, START + shift * MS, None)
    made.add_reference(START, None, 0.0, "A")
    assert images(made.ready(0.0)[0]) == {"A": 0, "B": 70}


def test_what_else_a_frame_needs_is_waited_for_up_to_its_newest_image():
    made, asked = synchronizer("A"), []
    made.add_image("A", START + 15 * MS, None)
    made.add_reference(START, None, 0.0)

    def readiness(trigger):
        asked.append(trigger.newest)
        return Readiness.INCOMPLETE

    assert made.ready(0.05, readiness) == []
    assert asked == [START + 15 * MS]
    assert len(made.ready(0.1, readiness)) == 1


def test_a_trigger_that_tf_does_not_reach_waits_until_it_does():
    made, reached = synchronizer("A"), []

    def readiness(trigger):
        return Readiness.COMPLETE if trigger.reference in reached else Readiness.TOO_EARLY

    for index in range(3):
        made.add_image("A", START + index * 100 * MS, index)
        made.add_reference(START + index * 100 * MS, index, index * 0.1)
        assert made.ready(index * 0.1, readiness) == []
    assert made.ready(5.0, readiness) == [], "long after max_wait"
    reached += [1]
    assert [trigger.reference for trigger in made.ready(5.0, readiness)] == [1]
    assert dict(made.drops) == {"tf_extrapolation": 1}, "the older one is given up for it"
    reached += [2]
    (trigger,) = made.ready(5.0, readiness)
    assert images(trigger) == {"A": 0}


def test_images_of_a_trigger_that_waits_for_tf_are_not_lost():
    made = synchronizer("A", queue=3, longest_queue=3)
    made.add_image("A", START, "mine")
    made.add_reference(START, None, 0.0)
    assert made.ready(0.0, lambda trigger: Readiness.TOO_EARLY) == []
    for index in range(1, 6):
        made.add_image("A", START + index * 50 * MS, "later")
    (trigger,) = made.ready(0.3)
    assert trigger.images == {"A": (START, "mine")}


def test_waits_stand_still_with_the_clock_and_survive_its_being_set_back():
    made = synchronizer("A", max_wait=0.1)
    made.add_reference(START, None, 50.0)
    assert made.ready(50.0) == made.ready(50.0) == []
    assert made.ready(3.0) == [], "a simulation that began anew"
    assert len(made.ready(3.11)) == 1


@pytest.mark.parametrize(
    ("period", "distance", "taken"),
    [(83, 40, True), (83, 50, False), (33, 15, True), (33, 30, False), (500, 90, True)],
)
def test_by_default_an_image_lies_within_half_a_period_of_its_camera(period, distance, taken):
    made = synchronizer("A", tolerance=0.0)
    for index in range(9, -1, -1):
        made.add_image("A", START - (distance + index * period) * MS, None)
    made.add_reference(START, None, 0.0)
    (trigger,) = made.ready(1.0)
    assert images(trigger) == ({"A": -distance} if taken else {})
    assert trigger.distances == ({"A": -distance * MS} if taken else {})


def test_triggers_come_oldest_first_and_do_not_overtake():
    made = synchronizer("A")
    for index in range(3):
        made.add_reference(START + index * 100 * MS, index, 0.0)
    made.add_image("A", START + 100 * MS, None)
    assert [trigger.reference for trigger in made.ready(0.0)] == [0, 1]
    assert [trigger.reference for trigger in made.ready(INFINITY)] == [2]


def test_without_cameras_nothing_is_waited_for():
    made = Synchronizer(SyncConfig(cameras=()))
    made.add_reference(START, None, 0.0)
    assert len(made.ready(0.0)) == 1


@pytest.mark.parametrize("max_wait", [0.0, 1.0])
def test_a_fast_camera_keeps_its_image_while_a_slow_one_is_waited_for(max_wait):
    made = synchronizer("fast", "slow", max_wait=max_wait, tolerance=0.0)
    wait = max_wait or 0.2
    sent = [START + index * 10 * MS for index in range(round((0.2 + wait) / 0.01))]
    for stamp in sent:
        made.add_image("fast", stamp, None)
        if stamp == START + 100 * MS:
            made.add_reference(stamp, None, 0.1)
    made.add_image("slow", START + 100 * MS, None)
    (trigger,) = made.ready(0.1 + wait)
    assert images(trigger) == {"fast": 0, "slow": 0}


def test_stamps_that_claim_a_rate_beyond_all_cameras_do_not_fill_the_memory():
    made = synchronizer("A", max_wait=1.0)
    for index in range(5000):
        made.add_image("A", START + index, None)
    assert len(made.image_stamps("A")) == made.config.longest_queue


def test_a_fast_anchor_waits_for_the_others_without_losing_its_own_frames():
    made = synchronizer("slow", queue=5)
    for index in range(20):
        made.add_reference(START + index * 10 * MS, index, index * 0.01)
    made.add_image("slow", START + 200 * MS, None)
    assert len(made.ready(0.19)) == 20
    assert not made.drops


@pytest.mark.parametrize("rate", [12, 30, 60])
@pytest.mark.parametrize(("lag", "offset"), [(0.45, 0.0), (1.5, 0.0), (0.1, -0.45), (0.0, 0.5)])
def test_images_wait_for_a_reference_that_comes_late_or_by_an_offset(rate, lag, offset):
    made = synchronizer("A", max_wait=0.0, tolerance=0.0, offsets={"A": offset})
    events = [(index / rate, "image", index / rate) for index in range(6 * rate)]
    events += [(0.5 + index / 10 + lag, "sweep", 0.5 + index / 10) for index in range(40)]
    ended = []
    for now, kind, seconds in sorted(events):
        stamp = START + round(seconds * 1000) * MS
        if kind == "image":
            made.add_image("A", stamp, None)
        else:
            made.add_reference(stamp, None, now)
        ended += made.ready(now)
    settled = ended[5:]  # how late the references come is known after the first of them
    assert len(settled) >= 30
    assert all(trigger.images for trigger in settled)
    assert len(made.image_stamps("A")) <= made.config.longest_queue


def test_no_more_images_than_usual_are_kept_where_references_come_in_time():
    made = synchronizer("A", max_wait=5.0)
    for index in range(300):
        made.add_image("A", START + index * 10 * MS, None)
        if index % 10 == 0:
            made.add_reference(START + index * 10 * MS, None, index * 0.01)
        made.ready(index * 0.01)
    assert len(made.image_stamps("A")) <= 20
