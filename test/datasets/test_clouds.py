# SPDX-License-Identifier: Apache-2.0
"""LiDAR files of data sets: what the stream would leave out is left out, the odd is said."""

import numpy as np
import pytest

from effocc_ros.datasets.clouds import read_returns, say_other_intensity
from effocc_ros.errors import InputError


def write(path, points):
    points.astype("<f4").tofile(path)
    return path


def cloud(count=1000, brightest=255.0):
    rng = np.random.default_rng(3)
    points = np.zeros((count, 5), np.float32)
    points[:, :3] = rng.uniform(-40, 40, (count, 3))
    points[:, 3] = rng.uniform(0, brightest, count)
    return points


def test_points_at_the_sensor_are_no_returns_and_that_is_said_once(tmp_path, caplog):
    points = cloud()
    points[::3, :3] = 0.0
    for name in ("a.bin", "b.bin"):
        found = read_returns(write(tmp_path / name, points), 5)
        assert np.array_equal(found, np.delete(points, np.s_[::3], axis=0))
    assert caplog.text.count("found 334 of 1000 points at the sensor") == 1


def test_a_good_cloud_is_taken_as_it_is(tmp_path, caplog):
    points = cloud()
    assert np.array_equal(read_returns(write(tmp_path / "a.bin", points), 5), points)
    say_other_intensity(tmp_path, points)
    assert not caplog.text


def test_a_cloud_without_a_return_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"a\.bin: found 1000 points, all at one place"):
        read_returns(write(tmp_path / "a.bin", np.zeros((1000, 5))), 5)


@pytest.mark.parametrize(("brightest", "said"), [(1.0, True), (255.0, False), (4000.0, True)])
def test_another_scale_of_intensity_is_said_and_a_dark_place_is_none(
    tmp_path, caplog, brightest, said
):
    say_other_intensity(tmp_path, cloud(brightest=brightest))
    assert ("expected 0 to 255" in caplog.text) == said
    dark = cloud()
    dark[:, 3] = np.arange(1000) % 2
    caplog.clear()
    say_other_intensity(tmp_path / "dark", dark)
    assert not caplog.text


def test_a_keyframe_of_nuscenes_keeps_its_points_next_to_the_sensor(data_dir):
    """A tenth of them: networks were trained with them."""
    (file,) = (data_dir / "mmdeploy_scene0103_lidar").glob("*.pcd.bin")
    points = np.fromfile(file, np.float32).reshape(-1, 5)
    assert (np.abs(points[:, :3]).max(axis=1) < 0.1).mean() > 0.1
    assert np.array_equal(read_returns(file, 5), points)
