# SPDX-License-Identifier: Apache-2.0
"""Earlier sweeps, newest first, none too old."""

import numpy as np

from effocc_ros.stream.sweep_buffer import RawSweep, SweepBuffer

MS = 1_000_000
POINTS = np.zeros((1, 4), np.float32)


def filled(*milliseconds: int, count: int = 9, **settings) -> SweepBuffer:
    buffer = SweepBuffer(count, **settings)
    for each in milliseconds:
        buffer.add(RawSweep(each * MS, "lidar", POINTS))
    return buffer


def before(buffer: SweepBuffer, milliseconds: int) -> list[int]:
    return [sweep.stamp // MS for sweep in buffer.before(milliseconds * MS)]


def test_the_newest_earlier_sweeps_come_newest_first():
    buffer = filled(*range(0, 1001, 50))
    assert before(buffer, 1000) == [950, 900, 850, 800, 750, 700, 650, 600, 550]


def test_later_sweeps_do_not_count():
    buffer = filled(*range(0, 501, 50), count=2)
    assert before(buffer, 300) == [250, 200]


def test_sweeps_that_are_too_old_do_not_count():
    buffer = filled(0, 400, 1400, max_age_s=1.0)
    assert before(buffer, 1400) == [400]


def test_there_may_be_none():
    assert before(filled(), 100) == []
    assert before(filled(100), 100) == []
    assert before(filled(0, 100, count=0), 100) == []


def test_a_sweep_that_comes_twice_counts_once():
    assert before(filled(0, 50, 50, 100), 100) == [50, 0]


def test_a_late_sweep_finds_its_place():
    assert before(filled(0, 100, 50, 150), 150) == [100, 50, 0]


def test_a_jump_back_in_time_forgets_the_sweeps_before_it():
    assert before(filled(9000, 9050, 100, 150), 150) == [100]
    assert before(filled(9000, 9050, 100, 9080), 9100) == [9080]


def test_no_more_than_needed_is_kept():
    buffer = filled(*range(0, 10_000, 50), count=3, pending=5, max_age_s=100.0)
    assert before(buffer, 10_000) == [9950, 9900, 9850]
    assert before(buffer, 9700) == [9650, 9600]


def test_another_number_of_sweeps_may_be_asked_for():
    buffer = filled(*range(0, 500, 50), count=2)
    buffer.reconfigure(4)
    assert before(buffer, 500) == [450, 400, 350, 300]
