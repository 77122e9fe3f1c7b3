# SPDX-License-Identifier: Apache-2.0
"""Which images go with which reference: always the nearest, never one too far, nothing lost."""

import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effocc_ros.stream.synchronizer import Readiness, SyncConfig, Synchronizer

MS = 1_000_000
SECOND = 1000 * MS
INFINITY = float("inf")
START = 100 * SECOND


class Message:
    """Something that can be weakly referred to."""


def synchronizer(*cameras: str, **settings) -> Synchronizer:
    settings = {"max_wait": 0.1, "tolerance": 0.1, **settings}
    return Synchronizer(SyncConfig(cameras=cameras or ("A",), **settings))


def images(trigger) -> dict[str, int]:
    """Milliseconds of each matched image after the reference."""
    return {name: (stamp - trigger.stamp) // MS for name, (stamp, _) in trigger.images.items()}


# ---- properties -------------------------------------------------------------------------------

milliseconds = st.integers(0, 900)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("A"), milliseconds),
        st.tuples(st.just("B"), milliseconds),
        st.tuples(st.just("reference"), milliseconds),
        st.tuples(st.just("poll"), st.integers(0, 60)),
    ),
    max_size=60,
)


@given(operations, st.integers(1, 200), st.integers(-50, 50), st.integers(1, 6))
def test_each_camera_gives_its_nearest_image_and_none_outside_the_tolerance(
    steps, tolerance, offset, queue
):
    made = synchronizer(
        "A", "B", tolerance=tolerance / 1e3, offsets={"B": offset / 1e3}, queue=queue
    )
    offsets = {"A": 0, "B": offset}
    kept, now = {"A": set(), "B": set()}, 0.0
    for kind, value in [*steps, ("poll", 10**6)]:
        if kind == "reference":
            made.add_reference(START + value * MS, None, now)
        elif kind != "poll":
            made.add_image(kind, START + value * MS, None)
            kept[kind] = set(sorted({*kept[kind], value})[-queue:])
        else:
            now += value / 1e3
            for trigger in made.ready(now):
                for camera, there in kept.items():
                    expected = (trigger.stamp - START) // MS + offsets[camera]
                    nearest = min((abs(each - expected) for each in there), default=None)
                    if nearest is None or nearest > tolerance:
                        assert camera not in trigger.images
                        assert trigger.missing[camera] == (nearest and nearest * MS)
                    else:
                        stamp = (trigger.images[camera][0] - START) // MS
                        assert abs(stamp - expected) == nearest
                        assert stamp in there
                        assert camera not in trigger.missing


wild = st.lists(
    st.one_of(
        st.tuples(st.just("A"), st.integers(0, 5000)),
        st.tuples(st.just("reference"), st.integers(0, 5000)),
        st.tuples(st.just("poll"), st.integers(0, 150)),
    ),
    max_size=60,
)


@given(wild, st.sampled_from([0.0, 0.05, 0.5]), st.integers(1, 4))
def test_every_reference_taken_in_ends_once_as_a_trigger_or_a_counted_drop(steps, interval, queue):
    made = synchronizer("A", trigger_interval=interval, queue=queue)
    accepted, ended, now = [], [], 0.0
    for number, (kind, value) in enumerate(steps):
        if kind == "reference":
            if made.add_reference(START + value * MS, number, now):
                accepted.append(number)
        elif kind == "poll":
            now += value / 1e3
            ended += made.ready(now)
        else:
            made.add_image("A", START + value * MS, None)
    ended += made.ready(INFINITY)
    numbers = [trigger.reference for trigger in ended]
    assert made.taken_in == len(accepted)
    assert len(numbers) == len(set(numbers))
    assert set(numbers) <= set(accepted)
    assert made.taken_in == len(numbers) + sum(made.drops.values())


@st.composite
def recordings(draw):
    """Stamps of two cameras and of references, each in order; images 40 ms apart or more."""
    recording = {}
    for camera in ("A", "B"):
        steps = draw(st.lists(st.integers(40, 120), min_size=1, max_size=8))
        recording[camera] = [sum(steps[: i + 1]) for i in range(len(steps))]
    stamps = draw(st.lists(st.integers(0, 900), min_size=1, max_size=6, unique=True))
    recording["reference"] = sorted(stamps)
    return recording


def play(recording, order, poll: bool) -> list:
    """Put messages in, each input in its own order, and return stamps and images of triggers."""
    made, ended = synchronizer("A", "B", accept_within=0.02, queue=100), []
    left = {name: list(stamps) for name, stamps in recording.items()}
    for name in order:
        stamp = START + left[name].pop(0) * MS
        if name == "reference":
            made.add_reference(stamp, None, 0.0)
        else:
            made.add_image(name, stamp, None)
        if poll:
            ended += made.ready(0.05)
    ended += made.ready(INFINITY)
    return [(trigger.stamp, trigger.images, trigger.missing) for trigger in ended]


@given(recordings(), st.randoms())
def test_the_order_of_arrival_inside_the_wait_does_not_matter(recording, random):
    order = [name for name, stamps in recording.items() for _ in stamps]
    expected = play(recording, order, poll=False)
    random.shuffle(order)
    assert play(recording, order, poll=True) == expected
    assert len(expected) == len(recording["reference"])


@given(st.lists(st.integers(0, 20_000), max_size=200), st.integers(1, 5))
def test_no_more_than_the_queue_is_kept_of_anything(stamps, queue):
    made = synchronizer("A", queue=queue)
    alive = weakref.WeakSet()
    for index, stamp in enumerate(stamps):
        message = Message()
        alive.add(message)
        if index % 2:
            made.add_reference(START + stamp * MS, message, 0.0)
        else:
            made.add_image("A", START + stamp * MS, message)
        del message
    assert len(alive) <= 2 * queue


# ---- waiting ----------------------------------------------------------------------------------


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
    made = synchronizer("A", queue=3)
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


# ---- which references -------------------------------------------------------------------------


def test_references_between_keyframes_are_not_taken_in():
    made = synchronizer("A", trigger_interval=0.5)
    # 20 Hz with a tremble of 0.8 ms.
    stamps = [START + index * 50 * MS - (800_000 if index % 10 == 0 else 0) for index in range(21)]
    taken = [index for index, stamp in enumerate(stamps) if made.add_reference(stamp, None, 0.0)]
    assert taken == [0, 10, 20]
    assert made.taken_in == 3


def test_a_full_queue_drops_the_oldest_by_name():
    made = synchronizer("A", queue=2)
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


# ---- jumps back in time -----------------------------------------------------------------------


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
