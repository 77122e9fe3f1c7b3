# SPDX-License-Identifier: Apache-2.0
"""Who is silent: by the periods of both, however far their clocks or the gaps between stamps."""

import pytest

from effocc_ros.stream.silence import SilenceWatch

SECOND = 1_000_000_000


def run(watch: SilenceWatch, name: str, times, shift: float = 0.0) -> None:
    for seconds in times:
        watch.heard(name, round((1000 + seconds + shift) * SECOND), seconds)


def interleaved(watch: SilenceWatch, periods: dict[str, float], begin: float, end: float) -> None:
    """Let inputs send from one time to another, each at its own period and in order of time."""
    events = [
        (begin + index * period, name)
        for name, period in periods.items()
        for index in range(round((end - begin) / period))
    ]
    for seconds, name in sorted(events):
        run(watch, name, [seconds])


@pytest.mark.parametrize("camera", [0.02, 0.1, 0.5, 2.0])
@pytest.mark.parametrize("frames", [0.05, 0.1, 0.5, 2.0])
def test_an_input_is_silent_within_four_periods_of_the_slower_and_not_within_one(camera, frames):
    watch, slower = SilenceWatch(max_wait_s=0.0), max(camera, frames)
    interleaved(watch, {"camera": camera, "lidar": frames}, 0.0, 8 * slower)
    assert not watch.silent("camera", 8 * slower)
    silent_after, now = None, 8 * slower
    while silent_after is None:
        run(watch, "lidar", [now])
        if watch.silent("camera", now):
            silent_after = now - (8 * slower - camera)
        now += frames
    assert max(0.99 * slower, 2.5 * camera - 1e-9) <= silent_after <= 4 * slower
    run(watch, "camera", [now])
    assert not watch.silent("camera", now)


@pytest.mark.parametrize("gap", [1.5, 10.0, 3600.0])
def test_a_gap_in_the_stamps_of_all_makes_nobody_silent(gap):
    watch = SilenceWatch(max_wait_s=0.0)
    interleaved(watch, {"camera": 0.08, "lidar": 0.05}, 0.0, 2.0)
    run(watch, "lidar", [2.0 + gap, 2.05 + gap])
    assert not watch.silent("camera", 2.05 + gap)


def test_one_that_pauses_meanwhile_must_send_more_to_make_another_one_silent():
    watches = SilenceWatch(), SilenceWatch()
    for watch in watches:
        interleaved(watch, {"lidar": 0.05, "camera": 0.08}, 0.0, 2.0)
    steady, paused = watches
    run(steady, "camera", [2.0, 2.08])
    assert not steady.silent("lidar", 2.08 - 0.01)
    run(steady, "camera", [2.16])
    assert steady.silent("lidar", 2.16), "three periods of it, and the camera went on"
    run(paused, "camera", [2.30, 2.38])
    assert not paused.silent("lidar", 2.38), "the camera was silent, too, for some time"
    run(paused, "camera", [2.46])
    assert paused.silent("lidar", 2.46)


def test_clocks_that_differ_make_nobody_silent():
    watch = SilenceWatch(max_wait_s=0.0)
    for index in range(50):
        run(watch, "camera", [0.1 * index], shift=1e9)
        run(watch, "lidar", [0.1 * index])
        assert not watch.silent("camera", 0.1 * index)
        assert not watch.silent("lidar", 0.1 * index)


def test_one_that_never_came_is_silent_after_a_second():
    watch = SilenceWatch()
    silent = []
    for index in range(30):
        run(watch, "lidar", [0.05 * index])
        silent.append(watch.silent("camera", 0.05 * index))
    assert silent == [False] * 20 + [True] * 10


def test_one_stamp_again_and_again_tells_no_time():
    watch = SilenceWatch(max_wait_s=0.0)
    interleaved(watch, {"camera": 0.1, "lidar": 0.1}, 0.0, 1.0)
    run(watch, "lidar", [1.0] * 20)
    assert not watch.silent("camera", 5.0)
    for index in range(4):
        run(watch, "lidar", [1.1 + 0.1 * index])
        watch.heard("camera", round(1000.9 * SECOND), 1.1 + 0.1 * index)
    assert watch.silent("camera", 5.0), "a frozen driver is a silent one"


def test_what_may_still_be_waited_for_is_not_silent():
    watch = SilenceWatch(max_wait_s=5.0)
    interleaved(watch, {"camera": 0.1, "lidar": 0.1}, 0.0, 1.0)
    interleaved(watch, {"lidar": 0.1}, 1.0, 5.0)
    assert not watch.silent("camera", 5.0)
    assert watch.silent("camera", 6.0)


def test_silence_shorter_than_the_time_between_frames_does_not_matter():
    watch = SilenceWatch(interval_s=0.5, max_wait_s=0.0)
    interleaved(watch, {"camera": 0.1, "lidar": 0.1}, 0.0, 1.0)
    interleaved(watch, {"lidar": 0.1}, 1.0, 1.6)
    assert not watch.silent("camera", 1.6)
    interleaved(watch, {"lidar": 0.1}, 1.6, 2.0)
    assert watch.silent("camera", 2.0)


def test_an_input_that_was_less_punctual_lately_is_given_longer():
    watch = SilenceWatch()
    events = [(0.01 * each, "tf", 0.01 * each) for each in range(200)]
    # Every other sweep comes 45 ms late: gaps of 5 and 95 ms.
    sweeps = [(0.05 * each + (0.045 if each % 2 else 0.0), 0.05 * each) for each in range(20)]
    events += [(arrival, "lidar", stamp) for arrival, stamp in sweeps]
    called = {"late": [], "silent": []}
    for now, name, stamp in sorted(events):
        watch.heard(name, round((1000 + stamp) * SECOND), now)
        for kind, times in called.items():
            if name == "tf" and now > 0.5 and getattr(watch, kind)("lidar", now):
                times.append(now - sweeps[-1][0])
    for times in called.values():
        assert min(times) == pytest.approx(1.5 * 0.095, abs=0.01)


def test_what_is_late_is_so_after_one_and_a_half_periods_of_its_own():
    watch = SilenceWatch()
    interleaved(watch, {"camera": 0.1, "tf": 0.01}, 0.0, 1.0)
    late = []
    for index in range(40):
        seconds = 1.0 + 0.01 * index
        run(watch, "tf", [seconds])
        late.append((watch.late("camera", seconds), watch.silent("camera", seconds)))
    begins = [[each[kind] for each in late].index(True) for kind in (0, 1)]
    assert begins == [pytest.approx(6, abs=1), pytest.approx(16, abs=1)]
    run(watch, "camera", [1.4])
    assert not watch.late("camera", 1.4)


def test_poses_that_begin_before_the_sensors_make_none_of_them_silent():
    """As where localisation runs first, or a recording's poses are read ahead."""
    watch = SilenceWatch(interval_s=0.5)
    for index in range(100):
        now = 0.05 * index
        watch.heard("tf", round((1000 + now) * SECOND), now, is_pose=True)
    run(watch, "camera", [5.0])
    assert not watch.silent("lidar", 5.0)
    interleaved(watch, {"camera": 0.1}, 5.1, 8.0)
    assert watch.silent("lidar", 8.0)


def test_poses_that_go_on_while_all_sensors_pause_make_none_of_them_silent():
    watch = SilenceWatch()
    interleaved(watch, {"camera": 0.1, "lidar": 0.1}, 0.0, 2.0)
    for index in range(400):
        now = 0.05 * index
        watch.heard("tf", round((1000 + now) * SECOND), now, is_pose=True)
    run(watch, "camera", [20.0])
    assert not watch.silent("lidar", 20.0)
    assert not watch.late("lidar", 20.0)
    assert not watch.silent("tf", 20.0)


def test_poses_that_end_are_silent_while_sensors_go_on():
    watch = SilenceWatch()
    for index in range(40):
        now = 0.05 * index
        watch.heard("tf", round((1000 + now) * SECOND), now, is_pose=True)
    interleaved(watch, {"camera": 0.1}, 0.0, 4.0)
    assert watch.silent("tf", 4.0)
