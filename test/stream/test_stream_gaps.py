# SPDX-License-Identifier: Apache-2.0
"""How long moments pause when an input dies and comes back, in the messages' own time."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from helpers.sensor_messages import (
    Vehicle,
    at,
    camera_info,
    cloud,
    ego,
    jpeg,
    mounts,
    transforms,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from effocc_ros.bags.messages import header_message

CAMERAS = ("CAM_FRONT", "CAM_BACK", "CAM_LEFT")
LIDAR, TF = "LIDAR_TOP", "tf"
INPUTS = (LIDAR, *CAMERAS, TF)

SWEEP, IMAGE = cloud(), jpeg()
POSE = transforms(0.0, ("map", "base_link", ego(0.0)))

POLLS = 0.02
"""Seconds between two looks at the clock while nothing comes, as the node's."""


@dataclass(frozen=True)
class Car:
    """Inputs that send at steady rates.

    Attributes:
        periods: Input -> seconds between its messages.
        phases: Input -> the share of its period by which its stamps come later.
        delays: Input -> seconds from a stamp to the arrival.
    """

    periods: dict[str, float]
    phases: dict[str, float]
    delays: dict[str, float]

    def moments(self, dead: str, begin: float, end: float, until: float, **settings):
        """Let an input die from one second to another; return when moments came, and of what."""
        vehicle = Vehicle(CAMERAS, ready=False, sweeps=2, standby=CAMERAS, **settings)
        stream = vehicle.stream
        stream.add_transforms(mounts(), static=True)
        for camera in CAMERAS:
            stream.add_camera_info(camera, camera_info())
        events = [(seconds, "", 0.0) for seconds in np.arange(0.0, until, POLLS)]
        for name, period in self.periods.items():
            stamps = np.arange(self.phases[name] * period, until, period)
            events += [
                (stamp + self.delays[name], name, stamp)
                for stamp in stamps
                if not begin <= stamp < end or name != dead
            ]
        made = []
        for now, name, stamp in sorted(events):
            if name == LIDAR:
                stream.add_points(stamped(SWEEP, stamp), now)
            elif name in CAMERAS:
                stream.add_image(name, stamped(IMAGE, stamp), now)
            elif name == TF:
                pose = replace(POSE, transforms=[stamped(POSE.transforms[0], stamp)])
                stream.add_transforms(pose, static=False, now=now)
            made += [(now, trigger) for trigger in stream.poll(now)]
        return made


def stamped(message, seconds: float):
    """Return the message with another stamp."""
    header = header_message(at(seconds), message.header.frame_id)
    return replace(message, header=header)


RATES = st.sampled_from([10.0, 12.0, 20.0, 2.0])
PHASES = st.floats(0.0, 0.99).map(lambda share: round(share, 2))
DELAYS = st.sampled_from([0.0, 0.004, 0.03, 0.08])


@st.composite
def cars(draw) -> Car:
    """Any mix of rates and phases; cameras are of one rate, as those of one rig are."""
    camera, lidar = draw(RATES), draw(RATES)
    tf = draw(st.sampled_from([20.0, 50.0]))
    rates = {LIDAR: lidar, **dict.fromkeys(CAMERAS, camera), TF: tf}
    return Car(
        {name: 1.0 / rate for name, rate in rates.items()},
        {name: draw(PHASES) for name in INPUTS},
        {name: draw(DELAYS) for name in INPUTS},
    )


NUSCENES = {LIDAR: 1 / 20, **dict.fromkeys(CAMERAS, 1 / 12), TF: 1 / 100}


def longest_gap(made, begin: float) -> float:
    """Return the longest time in seconds between two moments."""
    return max(after - before for before, after in pairwise([begin, *(now for now, _ in made)]))


@pytest.mark.parametrize("dead", INPUTS)
@given(car=cars(), moment=st.floats(0.0, 1.0))
@settings(max_examples=6, deadline=None)
def test_an_input_that_dies_and_comes_back_costs_three_periods_of_the_slowest_input_at_most(
    dead, car, moment
):
    slowest = max(car.periods.values())
    warm = 5 * slowest + 1.0
    begin = warm + moment * slowest
    end = begin + 5 * slowest
    made = car.moments(dead, begin, end, end + 4 * slowest)
    # A moment may be as much later than its reference as its images are.
    late = max(car.delays.values())
    assert longest_gap([each for each in made if each[0] > warm], warm) <= 3 * slowest + late
    stamps = [trigger.stamp for _, trigger in made]
    assert stamps == sorted(set(stamps))


@pytest.mark.parametrize("dead", INPUTS)
@given(phases=st.fixed_dictionaries(dict.fromkeys(INPUTS, PHASES)), moment=st.floats(0.0, 0.1))
@example(phases=dict.fromkeys(INPUTS, 0.0) | {LIDAR: 0.75}, moment=0.09375)
@settings(max_examples=4, deadline=None)
def test_at_the_rates_of_nuscenes_it_costs_three_sweeps_at_most(dead, phases, moment):
    car = Car(NUSCENES, phases, dict.fromkeys(INPUTS, 0.0))
    begin, end = 1.5 + moment, 2.1 + moment
    made = [each for each in car.moments(dead, begin, end, 2.5) if each[0] > 1.0]
    assert longest_gap(made, 1.0) <= 3 / 20 + POLLS
    told_late = begin + 4 / 20
    between = [trigger for now, trigger in made if told_late < now < end]
    after = [trigger for now, trigger in made if now > end + 2 / 12]
    assert {trigger.sensor for trigger in between} == {CAMERAS[0] if dead == LIDAR else LIDAR}
    assert {len(trigger.images) for trigger in between} == {2 if dead in CAMERAS else 3}
    assert {(trigger.sensor, len(trigger.images)) for trigger in after} == {(LIDAR, 3)}


@pytest.mark.parametrize("dead", INPUTS)
def test_an_interval_between_frames_is_kept_and_costs_three_of_them_at_most(dead):
    car = Car(NUSCENES, dict.fromkeys(INPUTS, 0.0), dict.fromkeys(INPUTS, 0.0))
    made = car.moments(dead, 2.3, 4.3, 6.0, sync_trigger_interval=0.5)
    assert longest_gap(made, 0.0) <= 3 * 0.5
    assert np.diff([trigger.stamp for _, trigger in made]).min() >= 490_000_000


def test_where_the_caller_says_how_long_to_wait_nobody_is_late_before():
    car = Car(NUSCENES, dict.fromkeys(INPUTS, 0.0), dict.fromkeys(INPUTS, 0.0))
    made = car.moments(CAMERAS[1], 1.5, 2.5, 3.0, sync_max_wait=0.4)
    assert 0.35 <= longest_gap(made, 0.0) <= 0.5
