# SPDX-License-Identifier: Apache-2.0
"""The numbers of a point are told from the points, not from the file's size alone."""

import logging

import numpy as np
import pytest

from effocc_ros.datasets.files import read_points
from effocc_ros.datasets.point_columns import point_layout
from effocc_ros.errors import InputError

COUNT = 12_000
"""Divides by 3, 4, 5 and 6, so that a file of any of them has the size of the others."""


def cloud(columns, *, intensity="byte", recorded=False):
    """x, y, z, intensity, ring, time, ...; in the order of firing when recorded."""
    rng = np.random.default_rng(columns)
    angle = rng.uniform(-np.pi, np.pi, COUNT)
    if recorded:
        angle = np.linspace(-np.pi, np.pi, COUNT)
    reach = rng.gamma(2.0, 6.0, COUNT)
    kinds = {
        "byte": rng.integers(0, 256, COUNT),
        "unit": rng.uniform(0, 1, COUNT),
        "none": np.zeros(COUNT),
        "wide": rng.uniform(0, 65535, COUNT),
    }
    rows = [reach * np.cos(angle), reach * np.sin(angle), rng.uniform(-1.8, 3.0, COUNT)]
    rows += [kinds[intensity], np.arange(COUNT) % 32, rng.uniform(0, 0.1, COUNT), angle, reach]
    return np.stack(rows[:columns], axis=1)


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("intensity", ["byte", "unit", "none", "wide"])
@pytest.mark.parametrize("expected", [5, 6])
@pytest.mark.parametrize("columns", [3, 4, 5, 6, 8])
@pytest.mark.parametrize("kind", ["<f4", "<f8"])
def test_columns_are_those_that_were_written(kind, columns, expected, intensity, recorded):
    data = cloud(columns, intensity=intensity, recorded=recorded).astype(kind).tobytes()
    assert point_layout(data, expected) == (kind, columns)


def test_recorded_points_have_the_columns_of_nuscenes(data_dir):
    files = sorted(data_dir.rglob("*LIDAR_TOP*.bin"))
    assert files
    for file in files:
        assert point_layout(file.read_bytes(), 5) == ("<f4", 5)
        four = np.fromfile(file, "<f4").reshape(-1, 5)[:30_000, :4]
        assert point_layout(four.tobytes(), 5) == ("<f4", 4)


def test_points_of_four_numbers_get_no_ring_and_it_is_said_once(tmp_path, caplog):
    points = cloud(4).astype("<f4")
    for name in "ab":
        (tmp_path / name).write_bytes(points.tobytes())
    with caplog.at_level(logging.WARNING):
        read = [read_points(tmp_path / name, 5) for name in "ab"]
    for each in read:
        np.testing.assert_array_equal(each, np.pad(points, ((0, 0), (0, 1))))
    assert len(caplog.records) == 1
    assert "found 4 numbers a point (float32); expected 5" in caplog.text


def test_what_a_point_has_beyond_is_left_out(tmp_path):
    (tmp_path / "a").write_bytes(cloud(6).astype("<f8").tobytes())
    np.testing.assert_array_equal(read_points(tmp_path / "a", 5), cloud(6).astype("<f4")[:, :5])


@pytest.mark.parametrize("kept", [-1, -4, -12, COUNT // 2 * 20 + 16])
def test_a_file_cut_within_a_point_is_refused(tmp_path, kept):
    (tmp_path / "a").write_bytes(cloud(5).astype("<f4").tobytes()[:kept])
    with pytest.raises(InputError, match="expected points of 20 bytes"):
        read_points(tmp_path / "a", 5)


def test_points_that_are_not_finite_are_left_out(tmp_path):
    points = cloud(5).astype("<f4")
    points[3, 1], points[7, 3], points[9, 0] = np.nan, np.inf, -np.inf
    (tmp_path / "a").write_bytes(points.tobytes())
    read = read_points(tmp_path / "a", 5)
    assert len(read) == COUNT - 2
    assert np.isfinite(read).all()
    assert read[6, 3] == 0.0
    np.testing.assert_array_equal(read[6, :3], points[7, :3])


@pytest.mark.parametrize("kind", ["random", "not finite"])
def test_bytes_that_are_no_coordinates_are_refused(tmp_path, kind):
    data = np.random.default_rng(0).bytes(200_000)
    if kind == "not finite":
        data = np.full(50_000, np.nan, "<f4").tobytes()
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(InputError, match="numbers that are no metres"):
        read_points(tmp_path / "a", 5)
