# SPDX-License-Identifier: Apache-2.0
"""Codes for rays without a return are told from returns, whatever a driver writes for them."""

import numpy as np
import pytest

from effocc_ros.errors import InputError
from effocc_ros.stream.returns import find_returns

COUNT = 2000


def street(scale: float = 1.0) -> np.ndarray:
    """Return (N, 3) points on the ground and on a wall."""
    rng = np.random.default_rng(3)
    points = rng.uniform(-40, 40, (COUNT, 3)).astype(np.float32)
    points[:, 2] = -1.8
    points[::2, 0] = 12.0
    points[::2, 2] = rng.uniform(-1.8, 2.0, COUNT // 2)
    return points * np.float32(scale)


def shell(radius: float, count: int) -> np.ndarray:
    rays = np.random.default_rng(4).normal(size=(count, 3))
    return (radius * rays / np.linalg.norm(rays, axis=1, keepdims=True)).astype(np.float32)


def test_a_street_is_kept_whole():
    found = find_returns(street(), "LIDAR")
    assert (found.kept, found.no_return, found.remarks) == (None, 0, ())


@pytest.mark.parametrize("code", [0.0, 1e-3, -1.0, 655.35, 999.0, 65535.0, np.nan, np.inf])
@pytest.mark.parametrize("where", ["end", "mixed"])
def test_a_place_that_occurs_again_and_again_is_a_code(code, where):
    points = np.concatenate([street(), np.full((700, 3), code, np.float32)])
    if where == "mixed":
        points = np.random.default_rng(0).permutation(points)
    found = find_returns(points, "LIDAR")
    assert len(found.kept) == COUNT
    assert found.no_return + found.not_finite == 700
    assert len(found.remarks) == 1


@pytest.mark.parametrize("radius", [50.0, 120.0])
def test_a_shell_at_the_largest_distance_is_rays_without_return(radius):
    points = np.concatenate([street(), shell(radius + 20, 500)])
    found = find_returns(points, "LIDAR")
    assert np.array_equal(found.kept, np.arange(COUNT))


def test_points_twice_as_two_returns_of_a_pulse_may_be_are_kept():
    assert find_returns(np.repeat(street(), 2, axis=0), "LIDAR").kept is None


@pytest.mark.parametrize("scale", [1000.0, 100.0])
def test_millimetres_and_centimetres_are_named(scale):
    with pytest.raises(InputError, match="expected metres") as caught:
        find_returns(street(scale), "LIDAR")
    assert caught.value.reason == "bad_unit"


def test_kilometres_are_said():
    (remark,) = find_returns(street(0.001), "LIDAR").remarks
    assert remark.reason == "near_points"


def test_one_place_alone_is_no_cloud():
    with pytest.raises(InputError) as caught:
        find_returns(np.ones((COUNT, 3), np.float32), "LIDAR")
    assert caught.value.reason == "no_returns"


@pytest.mark.parametrize("radius", [0.001, 0.0277, 0.08])
def test_rays_without_return_may_lie_around_the_lens(radius):
    """As drivers that add the place of each beam to a range of 0."""
    found = find_returns(np.concatenate([street(), shell(radius, 400)]), "LIDAR")
    assert np.array_equal(found.kept, np.arange(COUNT))
    assert found.no_return == 400


def test_a_few_points_near_the_lens_are_kept():
    assert find_returns(np.concatenate([street(), shell(0.05, 8)]), "LIDAR").kept is None


def test_a_place_that_is_indoors_is_kept_whole():
    assert find_returns(street(0.01), "LIDAR").kept is None


def test_millimetres_of_a_wall_are_named_too():
    wall = street(1000.0)
    wall[:, 0] = 12_000.0
    with pytest.raises(InputError, match="expected metres"):
        find_returns(wall, "LIDAR")
