# SPDX-License-Identifier: Apache-2.0
"""Poses over time: interpolated, carried on a little, refused beyond."""

import contextlib
import random

import numpy as np
import pytest
from helpers.sensor_messages import START, transforms
from helpers.tf_edges import SECOND, buffer, moved
from hypothesis import given
from hypothesis import strategies as st
from transforms3d.axangles import axangle2mat

from effocc_ros.errors import InputError
from effocc_ros.geometry import inverse_rigid
from effocc_ros.stream.transform import read_transform
from effocc_ros.stream.transform_buffer import MOST_EDGES, TransformBuffer

numbers = st.floats(-50, 50, allow_nan=False)
places = st.tuples(numbers, numbers, numbers)
axes = places.map(lambda axis: np.add(axis, (0.0, 0.0, 100.0)))
stamps = st.integers(0, 5 * SECOND)


@st.composite
def poses(draw):
    pose = np.eye(4)
    pose[:3, :3] = axangle2mat(draw(axes), draw(st.floats(-3, 3)))
    pose[:3, 3] = draw(places)
    return pose


def angle_between(first: np.ndarray, second: np.ndarray) -> float:
    cosine = (np.trace(first[:3, :3].T @ second[:3, :3]) - 1) / 2
    return float(np.arccos(np.clip(cosine, -1, 1)))


@given(poses(), poses(), stamps, stamps, st.floats(0, 1))
def test_a_pose_between_two_lies_between_them(first, second, start, span, fraction):
    made, end = TransformBuffer(), start + span + 1
    made.add("map", "base", start, first)
    made.add("map", "base", end, second)
    pose = made.lookup("map", "base", start + round(fraction * (end - start)))
    low, high = np.minimum(first, second)[:3, 3], np.maximum(first, second)[:3, 3]
    assert (pose[:3, 3] >= low - 1e-9).all()
    assert (pose[:3, 3] <= high + 1e-9).all()
    whole = angle_between(first, second)
    parts = angle_between(first, pose), angle_between(pose, second)
    assert sum(parts) == pytest.approx(whole, abs=1e-5)
    assert np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3))


@given(poses(), poses(), poses(), poses(), st.integers(0, SECOND))
def test_there_and_back_again_is_nothing(first, second, mount, other, stamp):
    made = buffer(("map", "base", 0, first), ("map", "base", 1, second))
    made.add("base", "camera", 0, mount, True)
    made.add("base", "lidar", 0, other, True)
    for a, b in (("map", "camera"), ("camera", "lidar"), ("lidar", "map"), ("base", "base")):
        there, back = made.lookup(a, b, stamp), made.lookup(b, a, stamp)
        assert np.allclose(there @ back, np.eye(4), atol=1e-7)


@given(poses(), poses(), poses())
def test_a_chain_is_the_product_of_its_links(first, second, third):
    made = buffer(("a", "b", 0, first), ("b", "c", 0, second, True), ("b", "d", 0, third))
    assert np.allclose(made.lookup("a", "c", 0), first @ second, atol=1e-7)
    assert np.allclose(made.lookup("d", "c", 0), inverse_rigid(third) @ second, atol=1e-7)
    assert np.allclose(made.mounting("d", "c", 0), inverse_rigid(third) @ second, atol=1e-7)


@st.composite
def motions(draw):
    """A steady motion, increasing stamps at which it is known, and one at which it is asked."""
    axis, rate = draw(axes), draw(st.floats(-1, 1))
    start, speed = np.array(draw(places)), np.array(draw(places))

    def pose(stamp: int) -> np.ndarray:
        seconds, made = stamp / SECOND, np.eye(4)
        made[:3, :3] = axangle2mat(axis, rate * seconds)
        made[:3, 3] = start + speed * seconds
        return made

    steps = draw(st.lists(st.integers(SECOND // 50, SECOND), min_size=2, max_size=8))
    known = np.cumsum(steps).tolist()
    asked = draw(st.integers(known[0] - SECOND // 10, known[-1] + SECOND // 10))
    return pose, known, asked


@given(motions(), st.randoms())
def test_steady_motion_is_reproduced_between_and_a_little_beyond(motion, random):
    pose, known, asked = motion
    made = TransformBuffer(cache_s=20.0, max_extrapolation_s=0.1)
    order = list(known)
    random.shuffle(order)
    # Disorder of less than a second on the way must not matter.
    for stamp in order if known[-1] - known[0] < SECOND else known:
        made.add("map", "base", stamp, pose(stamp))
    assert np.allclose(made.lookup("map", "base", asked), pose(asked), atol=1e-5)


@given(motions(), st.integers(1, 10 * SECOND), st.booleans())
def test_far_beyond_what_is_known_is_refused(motion, further, forward):
    pose, known, _ = motion
    made = TransformBuffer(cache_s=20.0, max_extrapolation_s=0.1)
    for stamp in known:
        made.add("map", "base", stamp, pose(stamp))
    reach = SECOND // 10 + further
    with pytest.raises(InputError, match=r"at most 0\.100 s") as caught:
        made.lookup("map", "base", known[-1] + reach if forward else known[0] - reach)
    far = reach > 10 * SECOND
    assert caught.value.reason == ("tf_other_clock" if far else "tf_extrapolation")
    assert ("clock" in str(caught.value), "max_extrapolation" in str(caught.value)) == (
        far,
        not far,
    )


def test_a_lone_pose_holds_within_reach():
    made = buffer(("map", "base", 1, moved(3.0)))
    for seconds in (0.9, 1.0, 1.1):
        assert made.lookup("map", "base", round(seconds * SECOND))[0, 3] == 3.0
    with pytest.raises(InputError, match=r"0\.101 s away"):
        made.lookup("map", "base", round(1.101 * SECOND))


def test_the_noise_of_two_close_poses_does_not_grow():
    poses = [(seconds, 10 * seconds) for seconds in np.arange(0.0, 1.0, 0.1)]
    made = buffer(*(("map", "base", seconds, moved(x)) for seconds, x in poses))
    # A centimetre of noise within a millisecond is 10 m/s more, or 1 m after 0.1 s.
    made.add("map", "base", round(0.901 * SECOND), moved(9.01 + 0.01))
    assert made.lookup("map", "base", SECOND)[0, 3] == pytest.approx(10.0, abs=0.03)


def test_a_known_stamp_gives_its_pose_exactly():
    first, second = moved(1.0), moved(2.0)
    made = buffer(("map", "base", 0, first), ("map", "base", 1, second))
    assert made.lookup("map", "base", SECOND) is not None
    assert np.array_equal(made.lookup("map", "base", SECOND), second)


def test_old_poses_are_forgotten():
    made = buffer(*(("map", "base", s, moved(s)) for s in range(30)), cache_s=10.0)
    assert made.lookup("map", "base", 19 * SECOND)[0, 3] == 19.0
    with pytest.raises(InputError, match=r"from 19\.000 to 29\.000 s"):
        made.lookup("map", "base", 18 * SECOND)


def test_a_jump_back_in_time_begins_anew():
    made = buffer(("map", "base", 100, moved(1.0)), ("map", "base", 3, moved(7.0)))
    assert made.lookup("map", "base", 3 * SECOND)[0, 3] == 7.0
    with pytest.raises(InputError, match=r"from 3\.000 to 3\.000 s"):
        made.lookup("map", "base", 100 * SECOND)


def test_before_the_first_pose_after_a_jump_the_moment_is_not_covered():
    made = buffer(("map", "base", 100, moved(1.0)), ("map", "base", 101, moved(1.0)))
    assert made.covers("map", "base", 100 * SECOND)
    assert not made.covers("map", "base", 3 * SECOND)


@pytest.mark.parametrize(
    ("seconds", "covered"), [(0.95, True), (1.5, True), (2.0, True), (2.01, False), (0.8, False)]
)
def test_a_moment_is_covered_when_no_later_transform_would_change_it(seconds, covered):
    made = buffer(("map", "base", 1, moved(1.0)), ("map", "base", 2, moved(2.0)))
    assert made.covers("map", "base", round(seconds * SECOND)) is covered


def test_what_is_not_connected_is_not_covered():
    made = buffer(("map", "base", 1, moved(1.0)))
    assert not made.covers("odom", "base", SECOND)


def test_leading_slashes_of_old_ros_mean_nothing():
    (message,) = transforms(0.0, ("/map", "/base", moved(4.0))).transforms
    made = TransformBuffer()
    made.add(*read_transform(message))
    assert made.lookup("map", "/base", START)[0, 3] == 4.0


def test_a_static_edge_holds_at_all_times_and_may_be_repeated():
    made = buffer(("base", "camera", 5, moved(1.0), True), ("base", "camera", 0, moved(2.0), True))
    for seconds in (0, 1, 1000):
        assert made.lookup("base", "camera", seconds * SECOND)[0, 3] == 2.0


def test_repeating_a_static_edge_changes_nothing():
    edge = ("base", "camera", 0, moved(1.0), True)
    once, twice = buffer(edge), buffer(edge, edge, edge)
    both = [each.lookup("base", "camera", SECOND) for each in (once, twice)]
    assert np.array_equal(*both)


def test_mounts_told_at_two_hertz_hold_at_all_times():
    """As bags of some converters have it: all of tf on /tf at 2 Hz, the sensors' poses too."""
    made = TransformBuffer(max_extrapolation_s=0.6)
    for seconds in np.arange(0, 10, 0.5):
        made.add("map", "base", round(seconds * SECOND), moved(8 * seconds))
        made.add("base", "camera", round(seconds * SECOND), moved(1.5))
    for seconds in (0.0, 3.3, 9.9):
        stamp = round(seconds * SECOND)
        assert made.mounting("base", "camera", stamp)[0, 3] == 1.5
        assert made.lookup("map", "base", stamp)[0, 3] == pytest.approx(8 * seconds)
    assert made.mounting("base", "camera", 500 * SECOND)[0, 3] == 1.5


def test_a_missing_frame_is_named_with_those_that_there_are():
    made = buffer(("map", "base", 1, moved(1.0)))
    with pytest.raises(InputError, match=r"names 'camera' \(frames known: base, map\)") as caught:
        made.lookup("map", "camera", SECOND)
    assert caught.value.reason == "tf_missing"


def test_an_empty_buffer_says_that_it_knows_no_frame():
    with pytest.raises(InputError, match=r"frames known: none"):
        TransformBuffer().lookup("map", "base", SECOND)


def test_two_trees_are_told_from_a_missing_frame():
    made = buffer(("map", "base", 1, moved(1.0)), ("rig", "camera", 1, moved(1.0)))
    with pytest.raises(InputError, match="two separate trees") as caught:
        made.lookup("map", "camera", SECOND)
    assert caught.value.reason == "tf_disconnected"


@pytest.mark.parametrize(("parent", "child"), [("", "base"), ("map", ""), ("/", "base")])
def test_frames_without_a_name_are_refused(parent, child):
    (message,) = transforms(0.0, (parent, child, moved(1.0))).transforms
    with pytest.raises(InputError, match="names for both frames") as caught:
        read_transform(message)
    assert caught.value.reason == "empty_frame_id"


def test_a_stamp_beyond_reach_is_too_early_until_tf_comes():
    made = buffer(("map", "base", 0.0, moved(0.0)), ("map", "base", 1.0, moved(1.0)))
    assert [made.too_early("map", "base", round(s * SECOND)) for s in (-1, 0.5, 1.1, 1.2)] == [
        False,
        False,
        False,
        True,
    ]
    assert not made.too_early("map", "nowhere", SECOND)


def test_a_static_edge_that_is_repeated_beats_one_that_is_not():
    made = buffer(
        ("lidar", "base", 0.0, moved(5.0), True), ("junk", "lidar", 0.0, moved(3.0), True)
    )
    for _ in range(3):
        with pytest.raises(InputError, match="without loops"):
            made.add("base", "lidar", 0, moved(1.0), True)
    for _ in range(5):
        made.add("base", "lidar", 0, moved(1.0), True)
    assert made.lookup("base", "lidar", SECOND)[0, 3] == 1.0


def test_one_dynamic_message_of_a_mount_gives_way_to_static_ones():
    made = buffer(("base", "lidar", 0.0, moved(7.0)))
    for _ in range(5):
        made.add("base", "lidar", 0, moved(1.0), True)
    assert made.lookup("base", "lidar", 9 * SECOND)[0, 3] == 1.0


@pytest.mark.parametrize("static_share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_repeated_is_right_again_after_random_edges(seed, static_share):
    rng, made = random.Random(seed), TransformBuffer(10.0, 0.2)
    names = ["map", "odom", "base", "lidar", "camera", "imu", "a", "b"]
    for number in range(1500):
        parent, child = rng.sample(names, 2)
        with contextlib.suppress(InputError):
            static = rng.random() < static_share
            made.add(parent, child, number * 1_000_000, moved(rng.uniform(-50, 50)), static)
    for tick in range(31, 200):  # 10 Hz, static ones at 2 Hz
        stamp, x = tick * SECOND // 10, 0.5 * tick
        sent = [("map", "odom", moved(0.01 * x), False), ("odom", "base", moved(x), False)]
        if tick % 5 == 0:
            sent += [("base", "lidar", moved(1.0), True), ("base", "camera", moved(2.0), True)]
        for parent, child, pose, static in sent:
            with contextlib.suppress(InputError):
                made.add(parent, child, stamp, pose, static)
    for sensor, place in (("lidar", 1.0), ("camera", 2.0)):
        assert made.lookup("map", sensor, stamp)[0, 3] == pytest.approx(1.01 * x + place)


def test_frames_that_never_come_again_do_not_pile_up_and_those_in_use_stay():
    made = TransformBuffer()
    made.add("map", "base_link", 0, moved(7.0))
    assert made.lookup("map", "base_link", 0)[0, 3] == 7.0
    for number in range(3 * MOST_EDGES):
        made.add("map", f"object_{number}", number * SECOND // 10, moved(1.0))
    assert len(made.frames) <= MOST_EDGES + 1
    assert made.mounting("map", "base_link", 0)[0, 3] == 7.0
    assert f"object_{3 * MOST_EDGES - 1}" in made.frames
