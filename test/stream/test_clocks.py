# SPDX-License-Identifier: Apache-2.0
"""Clocks that disagree are named, and nobody is accused for a gap, a loop or a slow bag."""

import numpy as np
import pytest
from helpers.sensor_messages import Vehicle, camera_info, cloud, ego, jpeg, mounts, transforms

from effocc_ros.stream.clocks import ClockWatch

SECOND = 1_000_000_000
EPOCH = 1_700_000_000.0
PERIODS = {"LIDAR": 0.05, "CAM": 0.083, "SLOW": 0.5}


def said(shifts, seconds=4.0, periods=PERIODS, stamped=lambda now: EPOCH + now):
    """Let inputs send and return source -> texts about its clock."""
    watch, told = ClockWatch(), {}
    events = [
        (now, name) for name, period in periods.items() for now in np.arange(0.0, seconds, period)
    ]
    for now, name in sorted(events):
        stamp = round((stamped(now) + shifts.get(name, 0.0)) * SECOND)
        for source, remark in watch.note(name, stamp, now).items():
            told.setdefault(source, []).append(remark.text)
    return told, watch


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        (-EPOCH + 300.0, ["53.9 years behind", "counts from its start", "PTP"]),
        (3600.0 * 8, ["8.0 hours before", "chrony", "to -28800."]),
        (-37.0, ["37 s behind", "to 37."]),
        (0.8, ["0.8 s before"]),
    ],
    ids=["since_boot", "time_zone", "tai", "not_synchronised"],
)
@pytest.mark.parametrize("name", PERIODS)
def test_a_clock_that_is_not_the_others_is_named(name, shift, words):
    told, watch = said({name: shift})
    assert list(told) == [name]
    assert all(word in told[name][0] for word in words)
    assert watch.ahead(name) == pytest.approx(shift, rel=1e-6)
    assert watch.astray(name) == (abs(shift) > 10)


def test_a_clock_is_named_in_whatever_order_a_bag_is_read():
    watch, told = ClockWatch(), {}
    ends = {"LIDAR": 4.5}
    messages = [
        (EPOCH * (name != "LIDAR") + now, now, name)
        for name, period in {"LIDAR": 0.1, "CAM": 0.083, "BACK": 0.083}.items()
        for now in np.arange(0.0, ends.get(name, 4.0), period)
    ]
    for stamp, now, name in sorted(messages):
        told |= watch.note(name, round(stamp * SECOND), EPOCH + now)
    assert list(told) == ["LIDAR"]


@pytest.mark.parametrize("shift", [0.0, 0.04, -0.3])
def test_small_differences_are_of_no_matter(shift):
    assert said({"CAM": shift})[0] == {}


def test_a_bag_that_is_played_today_accuses_nobody():
    assert said({}, stamped=lambda now: 12.0 + now)[0] == {}


def test_gaps_and_loops_accuse_nobody():
    assert said({}, 12.0, stamped=lambda now: EPOCH + now + 30.0 * (now > 6))[0] == {}
    assert said({}, 12.0, stamped=lambda now: EPOCH + now % 4.0)[0] == {}
    assert said({}, 12.0, stamped=lambda now: EPOCH + 0.25 * now)[0] == {}, "slow simulation"


def play(vehicle, seconds, shifts=None, tf=True):
    """Send a camera, a LiDAR and tf whose stamps are shifted by seconds."""
    shifts, frames = shifts or {}, []
    vehicle.stream.add_transforms(mounts(), static=True)
    vehicle.stream.add_camera_info("CAM", camera_info())
    for tick in range(round(seconds / 0.1)):
        now = 0.1 * tick
        if tf:
            edge = ("map", "base_link", ego(now))
            at = now + shifts.get("tf", 0.0)
            vehicle.stream.add_transforms(transforms(at, edge), static=False, now=now)
        vehicle.stream.add_image("CAM", jpeg(now + shifts.get("CAM", 0.0)), now)
        vehicle.stream.add_points(cloud(now + shifts.get("LIDAR_TOP", 0.0)), now)
        frames += vehicle.frames(now)
    return frames + vehicle.frames(now + 1.0)


@pytest.mark.parametrize("name", ["CAM", "LIDAR_TOP", "tf"])
def test_the_stream_goes_on_without_the_input_of_another_clock(name):
    vehicle = Vehicle(ready=False, standby=("CAM",))
    frames = play(vehicle, 4.0, {name: -900.0})
    assert set(frames[-1].inputs) == {"CAM", "LIDAR_TOP"} - {name}
    assert frames[-1].stamp > 1003 * SECOND
    told = [each.text for each in vehicle.problems if each.reason == "other_clock"]
    assert len(told) == 1
    assert told[0].startswith(
        "clock of tf map <- base_link" if name == "tf" else f"clock of {name}"
    )
    assert "15.0 minutes behind" in told[0]
    assert not any("raise max_extrapolation" in each.text for each in vehicle.problems)


@pytest.mark.parametrize("name", ["CAM", "LIDAR_TOP", "tf"])
def test_an_offset_puts_a_clock_right(name):
    vehicle = Vehicle(ready=False, clock_offsets={name: 900.0})
    frames = play(vehicle, 1.0, {name: -900.0})
    assert len(frames) == 10
    assert all(frame.inputs == ("CAM", "LIDAR_TOP") for frame in frames)
    assert vehicle.problems == []
    assert np.allclose(frames[-1].ego2global, ego(0.9))
    assert (frames[-1].stamp, frames[-1].cameras[0].stamp) == (1000_900_000_000,) * 2


@pytest.mark.parametrize("others", [("tf",), ("tf", "CAM"), ("CAM",)])
def test_a_clock_since_boot_is_told_by_its_first_message(others):
    watch, told = ClockWatch(), {}
    told |= watch.note("LIDAR", 50 * SECOND, EPOCH)
    for name in others:
        told |= watch.note(name, round((EPOCH + 0.01) * SECOND), EPOCH + 0.01)
    assert list(told) == ["LIDAR"]
    assert watch.astray("LIDAR")


@pytest.mark.parametrize("synchronised", [5, 100])
def test_a_lidar_that_counts_from_boot_makes_no_frame(synchronised):
    vehicle = Vehicle(ready=False, standby=("CAM",))
    vehicle.stream.add_transforms(mounts(), static=True)
    vehicle.stream.add_camera_info("CAM", camera_info())
    frames = []
    for tick in range(20):
        now = EPOCH + 0.1 * tick
        edge = ("map", "base_link", ego(0.1 * tick))
        vehicle.stream.add_transforms(transforms(now, edge), static=False, now=now)
        shift = 0.0 if tick >= synchronised else 100.0 - EPOCH
        vehicle.stream.add_points(cloud(now + shift), now)
        vehicle.stream.add_image("CAM", jpeg(now), now)
        frames += vehicle.frames(now)
    assert min(frame.stamp for frame in frames) > EPOCH * SECOND
    assert len(frames) >= 17
    assert frames[-1].inputs == (("CAM",) if synchronised > 20 else ("CAM", "LIDAR_TOP"))


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        (37.0, "37 s is what TAI, the time of PTP, is ahead of UTC"),
        (-18.0, "18 s is what GPS time is ahead of UTC"),
        (7200.0, "2 hours may be local time"),
        (-5.5 * 3600, "5.5 hours may be local time"),
        (41.0, "for all. Synchronise"),
    ],
)
def test_where_a_distance_may_come_from_is_said(shift, words):
    assert words in said({"CAM": shift})[0]["CAM"][0]


@pytest.mark.parametrize(
    ("set_before", "said"), [(0.0, "to -37"), (-36.0, "to -37"), (5.0, "to -37")]
)
def test_what_is_to_be_set_counts_what_is_set_already(set_before, said):
    watch, remark = ClockWatch(), {}
    for index in range(12):
        now = 0.1 * index
        watch.note("camera", round((EPOCH + now) * SECOND), now)
        watch.note("tf map <- base", round((EPOCH + now) * SECOND), now)
        stamp = EPOCH + now + 37.0 + set_before
        remark = watch.note("LIDAR_TOP", round(stamp * SECOND), now, offset=set_before) or remark
    text = remark["LIDAR_TOP"].text
    assert said in text
    assert "clock_offset_s of LIDAR_TOP" in text
    assert "points_clock_offset_s" in text
    assert "clock_offsets, LIDAR_TOP=..." in text
