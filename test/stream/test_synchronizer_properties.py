# SPDX-License-Identifier: Apache-2.0
"""Which images go with which reference: always the nearest, never one too far, nothing lost."""

import weakref

from helpers.matching import INFINITY, MS, START, synchronizer
from hypothesis import given
from hypothesis import strategies as st


class Message:
    """Something that can be weakly referred to."""


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
        "A",
        "B",
        tolerance=tolerance / 1e3,
        offsets={"B": offset / 1e3},
        queue=queue,
        longest_queue=queue,
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
    made = synchronizer("A", trigger_interval=interval, queue=queue, longest_queue=queue)
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
    made, ended = synchronizer("A", "B", accept_within=0.02, queue=100, longest_queue=100), []
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
    made = synchronizer("A", queue=queue, longest_queue=queue)
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
