# SPDX-License-Identifier: Apache-2.0
"""Transforms that contradict each other: which one is used, and what is said."""

import pytest
from helpers.tf_edges import SECOND, buffer, moved

from effocc_ros.errors import InputError
from effocc_ros.stream.transform_buffer import TransformBuffer


@pytest.mark.parametrize("static_first", [True, False])
def test_an_edge_that_is_both_static_and_moving_moves(static_first):
    static = ("map", "base", 0, moved(0.0), True)
    moving = [("map", "base", second, moved(10.0 * second)) for second in (1, 2)]
    edges = [static, *moving] if static_first else [moving[0], static, moving[1], static]
    made = buffer(*edges)
    assert made.lookup("map", "base", round(1.5 * SECOND))[0, 3] == pytest.approx(15.0)


def test_a_frame_that_gets_another_parent_leaves_the_one_before():
    made, remarks = buffer(("map", "base", 1, moved(1.0))), []
    for index in range(25):
        stamp = 2 * SECOND + index * SECOND // 10
        remarks.append(made.add("odom", "base", stamp, moved(2.0)))
    assert made.lookup("odom", "base", 2 * SECOND)[0, 3] == 2.0
    assert remarks == [None] * 25
    with pytest.raises(InputError, match="no transform that names 'map'"):
        made.lookup("map", "base", 2 * SECOND)


@pytest.mark.parametrize(("slow", "fast"), [("map", "odom"), ("odom", "map")])
@pytest.mark.parametrize("every", [1, 10])
def test_two_publishers_of_one_frame_are_named_and_each_keeps_its_history(slow, fast, every):
    made, remarks = TransformBuffer(), []
    for index in range(100):
        stamp = index * SECOND // 20
        if index % every == 0:
            remarks.append(made.add(slow, "base", stamp, moved(index / 20)))
        remarks.append(made.add(fast, "base", stamp, moved(-index / 20)))
    told = [remark for remark in remarks if remark]
    assert len(told) > 5
    assert all("'map'" in each.text and "'odom'" in each.text for each in told)
    for seconds in (0.5, 2.25, 4.0):
        stamp = round(seconds * SECOND)
        assert made.lookup(slow, "base", stamp)[0, 3] == pytest.approx(seconds)
        assert made.lookup(fast, "base", stamp)[0, 3] == pytest.approx(-seconds)


@pytest.mark.parametrize(("clock", "told"), [(1000, True), (0, False)])
def test_two_publishers_of_one_edge_whose_clocks_differ_are_named(clock, told):
    made = TransformBuffer()
    remarks = [
        made.add("map", "base", (clock * (index % 2) + index) * SECOND // 10 + SECOND, moved(1.0))
        for index in range(20)
    ]
    assert bool(remarks[-1]) is told
    assert not told or "tf map <- base: found stamps that jump back" in remarks[-1].text


@pytest.mark.parametrize("static", [True, False])
def test_names_gone_wrong_do_not_pile_up(static):
    made = buffer(("base", "lidar", 0.0, moved(2.0), True))
    for index in range(200):
        stamp = index * SECOND // 100
        made.add("map", "base", stamp, moved(index / 100))
        made.add(f"base{index}", "lidar", stamp, moved(0.0), static)
        made.add(f"map{index}", "base", stamp, moved(0.0), static)
    assert len(made.frames) < 12
    assert made.mounting("base", "lidar", SECOND)[0, 3] == 2.0
    assert made.lookup("map", "base", SECOND)[0, 3] == pytest.approx(1.0)


@pytest.mark.parametrize("static_first", [True, False])
def test_a_frame_may_have_a_static_parent_beside_a_moving_one(static_first):
    """As where a URDF hangs base_link below base_footprint, and a localiser below map."""
    static = ("base_footprint", "base", 0, moved(0.5), True)
    moving = [("map", "base", second, moved(10.0 * second)) for second in range(3)]
    made, remarks = TransformBuffer(), []
    for edge in [static, *moving] if static_first else [*moving, static]:
        parent, child, seconds, pose, *rest = edge
        remarks.append(made.add(parent, child, seconds * SECOND, pose, *rest))
    assert made.lookup("map", "base", SECOND)[0, 3] == 10.0
    assert made.lookup("map", "base_footprint", SECOND)[0, 3] == 9.5
    assert any("'base_footprint'" in each.text for each in remarks if each)


def test_of_two_ways_the_one_in_use_is_taken():
    made = TransformBuffer()
    for index in range(40):
        stamp = index * SECOND // 10
        made.add("map", "odom", stamp, moved(1.0))
        made.add("odom", "base", stamp, moved(2.0))
        made.add("map", "base", stamp, moved(77.0))
    assert made.lookup("map", "base", SECOND)[0, 3] == 3.0


@pytest.mark.parametrize(("parent", "child"), [("camera", "map"), ("base", "map"), ("map", "map")])
def test_a_loop_is_refused_and_the_tree_stays(parent, child):
    made = buffer(("map", "base", 1, moved(1.0)), ("base", "camera", 1, moved(2.0)))
    with pytest.raises(InputError, match="a tree without loops") as caught:
        made.add(parent, child, SECOND, moved(1.0))
    assert caught.value.reason == "tf_loop"
    assert made.lookup("map", "camera", SECOND)[0, 3] == 3.0


def test_one_swapped_transform_gives_way_to_the_edge_that_is_repeated():
    made = buffer(("base", "map", 0.0, moved(1.0)))  # parent and child swapped, once
    for index in range(3):
        with pytest.raises(InputError, match="without loops"):
            made.add("map", "base", index * SECOND // 10, moved(index))
    for index in range(3, 10):
        made.add("map", "base", index * SECOND // 10, moved(index))
    assert made.lookup("map", "base", 9 * SECOND // 10)[0, 3] == 9.0


def test_an_edge_that_is_repeated_or_static_does_not_give_way():
    repeated, static = TransformBuffer(), buffer(("base", "lidar", 0.0, moved(1.0), True))
    for index in range(10):
        repeated.add("map", "base", index * SECOND // 10, moved(index))
        for made, edge in ((repeated, ("base", "map")), (static, ("lidar", "base"))):
            with pytest.raises(InputError, match="without loops"):
                made.add(*edge, index * SECOND // 10, moved(0.0))
    assert repeated.lookup("map", "base", SECOND // 2)[0, 3] == 5.0


def test_a_static_edge_gives_way_to_one_that_contradicts_it_and_moves():
    made = buffer(("base", "map", 0.0, moved(0.0), True))  # swapped, and latched
    for index in range(3):
        with pytest.raises(InputError, match="without loops"):
            made.add("map", "base", index * SECOND // 10, moved(index))
    for index in range(3, 10):
        made.add("map", "base", index * SECOND // 10, moved(index))
    assert made.lookup("map", "base", 9 * SECOND // 10)[0, 3] == 9.0


def test_an_edge_that_is_no_longer_repeated_gives_way():
    made = TransformBuffer()
    for index in range(10):
        made.add("base", "map", index * SECOND // 10, moved(index))
        with pytest.raises(InputError, match="without loops"):
            made.add("map", "base", index * SECOND // 10, moved(index))
    for index in range(10, 12):
        with pytest.raises(InputError, match="without loops"):
            made.add("map", "base", index * SECOND // 10, moved(index))
    made.add("map", "base", 12 * SECOND // 10, moved(12))
    assert made.lookup("map", "base", 12 * SECOND // 10)[0, 3] == 12.0


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("base_link", "'robot1/base_link'"),
        ("Lidar_Top", "'lidar_top'"),
        ("mast", ""),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_those_that_may_be_meant(asked, told):
    made = buffer(
        ("robot1/odom", "robot1/base_link", 1, moved(1.0)),
        ("robot1/base_link", "lidar_top", 1, moved(1.0)),
    )
    with pytest.raises(InputError, match=f"no transform that names '{asked}'") as caught:
        made.lookup("robot1/odom", asked, SECOND)
    assert (f"Is '{asked}' the frame {told} here?" in caught.value.do) == bool(told)


def test_a_static_transform_that_is_found_elsewhere_is_said_and_the_last_is_used():
    made = buffer(("base", "lidar", 0, moved(1.8), True))
    assert made.add("base", "lidar", 0, moved(1.805), True) is None
    remark = made.add("base", "lidar", 0, moved(0.2), True)
    assert remark.reason == "two_places"
    assert "tf base <- lidar: found two static poses, 1.60 m and 0.0 degrees apart" in remark.text
    assert made.lookup("base", "lidar", 0)[0, 3] == 0.2
    turned = moved(0.2)
    turned[:2, :2] = [[0.0, -1.0], [1.0, 0.0]]
    assert "0.00 m and 90.0 degrees apart" in made.add("base", "lidar", 0, turned, True).text
