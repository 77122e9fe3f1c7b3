# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from effocc_ros.errors import InputError
from effocc_ros.geometry import rigid
from effocc_ros.sweeps import Sweep, aggregate_sweeps

SECOND = 1_000_000_000
ABOVE = rigid((1, 0, 0, 0), (1.0, 0.0, 2.0))


def sweep(points, stamp=10 * SECOND, pose=None, mount=ABOVE):
    rows = np.array([(*point, 7.0) for point in points], np.float32).reshape(-1, 4)
    return Sweep(rows, mount, np.eye(4) if pose is None else pose, stamp)


def test_the_reference_keeps_its_close_points_and_has_no_lag():
    cloud = aggregate_sweeps(sweep([(0.5, 0.5, 0.0), (5.0, 0.0, 0.0)]), pad_empty=False)
    np.testing.assert_allclose(cloud, [(1.5, 0.5, 2, 7, 0), (6, 0, 2, 7, 0)])
    assert cloud.dtype == np.float32


def test_earlier_sweeps_lose_what_is_close_in_x_and_in_y():
    earlier = sweep([(0.9, -0.9, 0), (0.9, -1.0, 0), (1.0, 0.9, 0)], stamp=9 * SECOND)
    cloud = aggregate_sweeps(sweep([]), [earlier])
    np.testing.assert_allclose(cloud[:, :2], [(1.9, -1.0), (2.0, 0.9)])


def test_a_standing_pole_stays_where_it_is_while_the_vehicle_drives():
    # 2 m forward between the sweeps, so the pole is 2 m nearer in the reference.
    here = sweep([(18.0, 3.0, 0.0)], pose=rigid((1, 0, 0, 0), (102.0, 5.0, 0.0)))
    before = sweep(
        [(20.0, 3.0, 0.0)], stamp=10 * SECOND - 50_000_000, pose=rigid((1, 0, 0, 0), (100, 5, 0))
    )
    cloud = aggregate_sweeps(here, [before])
    np.testing.assert_allclose(cloud[1, :3], cloud[0, :3], atol=1e-5)
    assert cloud[1, 4] == pytest.approx(0.05)


def test_a_turning_vehicle_is_compensated_far_from_the_origin():
    quarter = rigid((np.sqrt(0.5), 0, 0, np.sqrt(0.5)), (1e6, -2e6, 3.0))
    before = sweep([(10.0, 0.0, 0.0)], stamp=9 * SECOND, pose=quarter, mount=np.eye(4))
    here = sweep([], pose=rigid((1, 0, 0, 0), (1e6, -2e6, 3.0)), mount=np.eye(4))
    np.testing.assert_allclose(aggregate_sweeps(here, [before])[0], (0, 10, 0, 7, 1.0), atol=1e-6)


def test_the_newest_nine_come_newest_first_whatever_their_order():
    earlier = [sweep([(10.0 + lag, 0, 0)], stamp=(10 - lag) * SECOND) for lag in range(1, 10)]
    earlier.append(sweep([(99.0, 0, 0)], stamp=0))
    cloud = aggregate_sweeps(sweep([(5.0, 0, 0)]), earlier[::-1])
    assert cloud[:, 4].tolist() == list(range(10))


def test_without_earlier_sweeps_the_reference_is_repeated_without_close_points():
    reference = sweep([(0.5, 0.5, 0.0), (5.0, 0.0, 0.0)])
    assert len(aggregate_sweeps(reference)) == 2 + 9
    assert len(aggregate_sweeps(reference, count=0)) == 2
    assert len(aggregate_sweeps(reference, pad_empty=False)) == 2


def test_a_sweep_that_is_not_older_is_refused():
    with pytest.raises(InputError, match="before the reference sweep's 10000000000"):
        aggregate_sweeps(sweep([]), [sweep([(5.0, 0, 0)])])


def test_points_without_intensity_are_refused():
    with pytest.raises(InputError, match=r"found shape \(4, 3\)"):
        Sweep(np.zeros((4, 3), np.float32), np.eye(4), np.eye(4), 0)
