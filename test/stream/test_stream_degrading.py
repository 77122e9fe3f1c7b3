# SPDX-License-Identifier: Apache-2.0
"""Sensors and tf that fall silent and come back: frames go on, and it is said once."""

from collections import Counter
from itertools import groupby

import numpy as np
import pytest
from helpers.sensor_messages import (
    Vehicle,
    camera_info,
    cloud,
    ego,
    jpeg,
    mounts,
    transforms,
)

CAMERAS = ("CAM_FRONT", "CAM_BACK")
PICTURE = jpeg().data.tobytes()

LIDAR, FRONT, BACK, TF = "LIDAR_TOP", *CAMERAS, "tf"
RATES = {LIDAR: 0.1, FRONT: 0.1, BACK: 0.1, TF: 0.05}


class Drive:
    """A vehicle that drives on while inputs fail.

    Args:
        rates: Input -> seconds between its messages.
        dead: Input -> from when to when it sends nothing.
        delays: Input -> seconds from its stamp to its arrival.
        settings: As for Vehicle.
    """

    def __init__(self, seconds, rates=RATES, dead=None, delays=None, shifts=None, **settings):
        settings = {"standby": CAMERAS, "sweeps": 2, **settings}
        self.vehicle = Vehicle(CAMERAS, ready=False, **settings)
        stream, dead, delays, shifts = self.vehicle.stream, dead or {}, delays or {}, shifts or {}
        stream.add_transforms(mounts(), static=True)
        for camera in CAMERAS:
            stream.add_camera_info(camera, camera_info())
        messages = [
            (stamp + delays.get(name, 0.0), name, stamp + shifts.get(name, 0.0))
            for name, period in rates.items()
            for stamp in np.arange(0.0, seconds, period)
            if not any(begin <= stamp < end for begin, end in dead.get(name, ()))
        ]
        self.frames, self.times = [], []
        for now, name, stamp in sorted(messages):
            if name == TF:
                edge = ("map", "base_link", ego(stamp))
                stream.add_transforms(transforms(stamp, edge), static=False, now=now)
            elif name == LIDAR:
                stream.add_points(cloud(stamp), now)
            else:
                stream.add_image(name, jpeg(stamp, data=PICTURE), now)
            made = self.vehicle.frames(now)
            self.frames += made
            self.times += [now] * len(made)
        self.inputs = [frame.inputs for frame in self.frames]

    @property
    def gap(self) -> float:
        """The longest time in seconds without a frame."""
        return float(np.diff(self.times).max())

    @property
    def phases(self) -> list[tuple[str, ...]]:
        """Inputs of the frames, one entry for each change."""
        return [inputs for inputs, _ in groupby(self.inputs)]

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(problem.source, problem.reason) for problem in self.vehicle.problems]


@pytest.mark.parametrize("phase", [0.0, 0.03, 0.07])
def test_a_silent_lidar_leaves_the_frames_to_a_camera_and_takes_them_back(phase):
    drive = Drive(4.0, dead={LIDAR: [(1.0, 2.5)]}, delays={LIDAR: phase})
    whole = (*CAMERAS, LIDAR)
    assert drive.phases == [whole, CAMERAS, whole]
    assert drive.gap <= 0.301 + phase
    assert drive.said == [(LIDAR, "silent"), (LIDAR, "back")]
    assert "frames are made by CAM_FRONT" in drive.vehicle.problems[0].text
    stamps = [frame.stamp for frame in drive.frames]
    assert stamps == sorted(set(stamps))
    assert drive.vehicle.stream.statistics().reference == LIDAR


@pytest.mark.parametrize(("begin", "end"), [(0.0, 1.5), (1.0, 2.5), (2.0, 9.0)])
def test_in_a_recording_no_moment_is_lost_to_a_silent_lidar(begin, end):
    drive = Drive(4.0, dead={LIDAR: [(begin, end)]}, look_back=True)
    stamps = [frame.stamp for frame in drive.frames]
    assert len(stamps) == 40
    assert set(np.diff(stamps)) == {100_000_000}
    without = sum(begin <= 0.1 * each < end for each in range(40))
    # The moment at which it is back may still be the camera's.
    assert drive.inputs.count(CAMERAS) in (without, without + 1)


def test_what_is_made_up_for_in_a_recording_keeps_the_interval():
    drive = Drive(4.0, dead={LIDAR: [(1.0, 3.0)]}, sync_trigger_interval=0.3, look_back=True)
    stamps = [frame.stamp for frame in drive.frames]
    assert np.diff(stamps).max() <= 400_000_000
    assert np.diff(stamps).min() >= 300_000_000


def test_silent_cameras_leave_the_lidar_alone_and_come_back():
    dead = {camera: [(1.0, 2.5)] for camera in CAMERAS}
    drive = Drive(4.0, dead=dead)
    whole = (*CAMERAS, LIDAR)
    assert drive.phases == [whole, (LIDAR,), whole]
    assert drive.gap <= 0.301
    changes = Counter(each for each in drive.said if each[1] != "no_image")
    assert changes == {(camera, reason): 1 for camera in CAMERAS for reason in ("silent", "back")}
    assert drive.said.index((FRONT, "silent")) < 6, "once it is known to be silent that is all"
    assert drive.vehicle.stream.statistics().rejected["CAM_FRONT.no_image"] > 10


@pytest.mark.parametrize("name", [LIDAR, FRONT, BACK, TF])
@pytest.mark.parametrize("rates", [RATES, {LIDAR: 0.05, FRONT: 0.083, BACK: 0.083, TF: 0.01}])
def test_each_input_may_die_and_revive(name, rates):
    drive = Drive(4.0, rates, dead={name: [(1.0, 2.0), (2.6, 3.0)]})
    assert drive.gap <= 3.1 * 0.1
    stamps = [frame.stamp for frame in drive.frames]
    assert stamps == sorted(set(stamps))
    assert drive.inputs[-1] == (*CAMERAS, LIDAR)
    if name == TF:
        assert {inputs for inputs in drive.inputs} == {(*CAMERAS, LIDAR)}


def test_a_third_camera_makes_the_frames_when_lidar_and_anchor_are_dead():
    drive = Drive(3.0, dead={LIDAR: [(1.0, 9.0)], FRONT: [(1.5, 9.0)]})
    assert drive.inputs[-1] == (BACK,)
    assert drive.gap <= 0.41


def test_a_lidar_that_never_comes_leaves_the_frames_to_a_camera_after_a_second():
    drive = Drive(3.0, dead={LIDAR: [(0.0, 9.0)]})
    assert drive.phases == [CAMERAS]
    assert 0.9 < drive.times[0] < 1.3


def test_a_vision_stream_goes_on_without_its_anchor():
    drive = Drive(
        3.0,
        {FRONT: 0.1, BACK: 0.1, TF: 0.05},
        dead={FRONT: [(1.0, 2.0)]},
        anchor=FRONT,
        standby=(BACK,),
    )
    assert drive.phases == [CAMERAS, (BACK,), CAMERAS]
    assert drive.gap <= 0.301


@pytest.mark.parametrize("other", [60, 30, 12])
@pytest.mark.parametrize("dead", [None, FRONT, BACK])
def test_an_anchor_of_60_hz_makes_frames_with_cameras_of_any_rate(other, dead):
    rates = {FRONT: 1 / 60, BACK: 1 / other, TF: 0.02}
    delays = {FRONT: 0.03, BACK: 0.04, TF: 0.01}
    gone = {dead: [(2.0, 3.0)]} if dead else {}
    drive = Drive(5.0, rates, gone, delays, anchor=FRONT, standby=(BACK,))
    whole = [frame for frame in drive.frames if len(frame.cameras) == 2]
    lost = 1.0 if dead else 0.0
    assert len(whole) > 60 * (5.0 - lost) - 12
    # The first few are made before it is known how often the cameras come.
    known = whole[5:]
    assert all(abs(each.stamp - f.stamp) <= 5e8 / other + 1 for f in known for each in f.cameras)
    assert np.diff(drive.times).max() < 3 / other


def test_without_a_standby_the_lidar_alone_makes_frames():
    drive = Drive(3.0, dead={LIDAR: [(1.0, 9.0)]}, standby=())
    assert drive.times[-1] < 1.2


def test_a_localiser_that_dies_leaves_single_sweeps_and_comes_back():
    drive = Drive(4.0, dead={TF: [(1.0, 2.5)]})
    lags = [len(np.unique(frame.cloud.points[:, 4])) for frame in drive.frames]
    still = [np.array_equal(frame.ego2global, np.eye(4)) for frame in drive.frames]
    changes = [key for key, _ in groupby(still[1:])]
    assert changes == [False, True, False]
    assert all(lag == 1 for lag, stands in zip(lags, still, strict=True) if stands)
    assert drive.said == [(TF, "no_ego_motion"), (TF, "ego_motion_back")]
    assert "as if the vehicle stood still" in drive.vehicle.problems[0].text
    assert drive.gap <= 0.301
    assert drive.vehicle.stream.statistics().ego_motion is True


def test_without_any_localiser_frames_are_made_at_once():
    drive = Drive(2.0, dead={TF: [(0.0, 9.0)]})
    assert len(drive.frames) == 20
    assert drive.said == [(TF, "no_ego_motion")]
    assert "no transform that names 'map'" in drive.vehicle.problems[0].text
    assert drive.times[-1] == pytest.approx(1.9)
    assert drive.vehicle.stream.statistics().ego_motion is False


@pytest.mark.parametrize("period", [0.5, 1.0, 2.0, 10.0])
@pytest.mark.parametrize("start_stamped", [0.0, 0.04])
def test_slow_keyframes_have_all_their_inputs(period, start_stamped):
    rates = {LIDAR: period, FRONT: period, BACK: period, TF: period / 2}
    shifts = {camera: start_stamped for camera in CAMERAS}
    drive = Drive(
        12 * period,
        rates,
        shifts=shifts,
        delays={**dict.fromkeys(CAMERAS, 0.05), LIDAR: 0.02, TF: 0.0},
        max_extrapolation=period,
        sync_offsets=shifts,
    )
    assert drive.phases == [(*CAMERAS, LIDAR)]
    assert len(drive.frames) == 12
    assert drive.said == []


def test_a_pause_of_the_whole_recording_changes_nothing():
    pause = [(2.0, 7.0)]
    drive = Drive(9.0, dead=dict.fromkeys(RATES, pause))
    assert drive.phases == [(*CAMERAS, LIDAR)]
    assert [reason for _, reason in drive.said] == []


def test_random_losses_lose_no_more_frames_than_sweeps():
    random = np.random.default_rng(3)
    dead = {
        name: [(s - 1e-3, s + 1e-3) for s in np.arange(0, 10, period) if random.random() < 0.3]
        for name, period in RATES.items()
    }
    drive = Drive(10.0, dead=dead)
    assert len(drive.frames) > 65
    assert drive.gap < 0.61
    assert Counter(drive.said).most_common(1)[0][1] < 60
