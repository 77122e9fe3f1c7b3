# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from effocc_ros.simulation.classes import DRIVEABLE_SURFACE, FREE
from effocc_ros.simulation.lidar import own_car, sweep
from effocc_ros.simulation.mesh import Paint, quads
from effocc_ros.simulation.raycast import Surface
from effocc_ros.simulation.rig import nuscenes_rig

LIDAR = nuscenes_rig((99, 176)).lidar
ROAD = quads([[[-90, -90, 0], [90, -90, 0], [90, 90, 0], [-90, 90, 0]]], Paint(11, "asphalt"))


def turn(wet=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return sweep(Surface(ROAD), (), LIDAR, lambda time: np.eye(4), 0.05, rng, wet)


@pytest.fixture(scope="module")
def dry():
    return turn()


def test_beams_that_meet_the_own_car_return_from_it_and_not_from_the_road(dry):
    own = own_car(LIDAR)
    hit = np.isfinite(own)
    rings = np.bincount(np.tile(np.arange(32), LIDAR.columns)[hit], minlength=32)
    assert rings[0] > 600  # of 1084: the roof is short of the steepest beams at the sides
    assert rings[0] > rings[4] > rings[7]
    assert rings[14:].max() == 0
    away = np.linalg.norm(dry.points[:, :3], axis=1)
    np.testing.assert_allclose(away[hit], own[hit], atol=0.12)
    assert (dry.label[hit] == FREE).all()
    assert 0.3 < own.min() < 0.8


def test_intensities_are_mostly_low_as_those_of_nuscenes(key_sweep):
    away = np.linalg.norm(key_sweep.points[:, :3], axis=1)
    low, middle, high = np.quantile(key_sweep.points[away > 1, 3], [0.1, 0.5, 0.99])
    assert 2 <= low <= 5
    assert 6 <= middle <= 20
    assert 50 <= high <= 160


def test_asphalt_near_by_gives_less_light_than_at_ten_metres(dry):
    away, road = np.linalg.norm(dry.points[:, :3], axis=1), dry.label == DRIVEABLE_SURFACE
    near, far = (np.median(dry.points[road & (abs(away - r) < 1), 3]) for r in (4.5, 9.0))
    assert near <= far


def test_a_wet_road_returns_less_far_away_and_as_much_near_by(dry):
    def returned(found):
        away = np.linalg.norm(found.points[:, :3], axis=1)[found.label == DRIVEABLE_SURFACE]
        return (away < 5).sum(), (away > 15).sum()

    (near, far), (near_wet, far_wet) = returned(dry), returned(turn(wet=0.9))
    assert far > 500
    assert far_wet < 0.4 * far
    assert near_wet > 0.93 * near


def test_a_few_returns_come_from_nothing(dry):
    own = np.isfinite(own_car(LIDAR))
    away = np.linalg.norm(dry.points[:, :3], axis=1)
    ghosts = (dry.label == FREE) & ~own & (away > 1)
    assert 5 < ghosts.sum() < 150
    assert not dry.still[ghosts].any()
    lost = (dry.label == FREE) & ~own & ~ghosts
    assert away[lost].max() < 0.5
