# SPDX-License-Identifier: Apache-2.0
"""The scale of a LiDAR's intensity is learned and said."""

import numpy as np
import pytest

from effocc_ros.stream.intensity import IntensityRange


def learned(*sweeps, scale=1.0):
    """Scale sweeps one after the other; return the results and what was said."""
    scaler, results, said = IntensityRange("LIDAR", scale), [], []
    for columns in sweeps:
        columns = columns if isinstance(columns, tuple) else (columns,)
        values, remarks = scaler.scaled(columns)
        results.append(np.array(values))
        said += remarks
    return results, said


def ramp(top, count=2000, kind=np.float32):
    return np.linspace(0, top, count).astype(kind)


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_0_to_255_stays_as_it_is(kind):
    (values,), said = learned(ramp(255, kind=kind))
    assert np.array_equal(values, ramp(255, kind=kind).astype(np.float32))
    assert said == []


@pytest.mark.parametrize(
    ("top", "scale"), [(1.0, 255), (0.4, 255), (900, 255 / 1023), (16_000, 255 / 16_383)]
)
def test_other_scales_are_brought_there_and_said_once(top, scale):
    sweeps, said = learned(*[ramp(top)] * 3)
    for values in sweeps:
        assert np.allclose(values, ramp(top) * scale, rtol=1e-5)
    (remark,) = said
    assert remark.reason == "intensity_scale"
    assert f"scaled by {scale:.4g}" in remark.text


def test_whole_numbers_of_a_dark_place_are_no_fractions():
    for kind in (np.uint8, np.float32):
        (values,), said = learned(np.array([0, 1, 1, 0], kind))
        assert values.tolist() == [0, 1, 1, 0]
        assert said == []


def test_the_scale_grows_over_the_first_sweeps_and_never_shrinks():
    sweeps, said = learned(ramp(0.5), ramp(60_000), ramp(300))
    assert [values.max() for values in sweeps] == pytest.approx([127.5, 233.5, 1.167], rel=1e-3)
    assert len(said) == 2


def test_a_few_stray_points_change_nothing():
    values = ramp(200)
    values[7] = 9000
    (result,), said = learned(values)
    assert np.array_equal(result, values)
    assert said == []


def test_a_calibrated_reflectivity_is_used_in_place_of_photons():
    reflectivity = ramp(180, kind=np.uint16)
    sweeps, said = learned(*[(ramp(3000), reflectivity)] * 2)
    for values in sweeps:
        assert np.array_equal(values, reflectivity)
    assert "reflectivity is used instead" in said[0].text
    assert len(said) == 1


def test_a_reflectivity_that_says_nothing_is_not_used():
    (values,), _ = learned((ramp(3000), np.full(2000, 40, np.uint16)))
    assert np.allclose(values, ramp(3000) * 255 / 4095)


def test_a_factor_of_ones_own_is_used_whatever_the_values():
    (values,), said = learned(ramp(1000), scale=0.5)
    assert np.array_equal(values, ramp(1000) * np.float32(0.5))
    assert said == []


def test_networks_that_squash_intensity_get_it_as_it_is():
    values, said = IntensityRange("LIDAR").scaled([ramp(0.5), ramp(9)], learn=False)
    assert np.array_equal(values, ramp(0.5))
    assert said == []


def test_values_that_are_not_finite_count_as_none():
    (values,), said = learned(np.array([np.nan, np.inf, 30.0]))
    assert values.tolist() == [0, 0, 30]
    assert said == []


def test_without_intensity_all_is_zero():
    assert IntensityRange("LIDAR").scaled([]) == (0.0, [])


def test_signed_bytes_are_taken_for_the_0_to_255_that_they_are():
    column = np.arange(256, dtype=np.uint8).view(np.int8)
    values, remarks = IntensityRange("LIDAR").scaled([column])
    assert values.tolist() == list(range(256))
    assert remarks == []


def test_negative_values_are_taken_for_none_and_said():
    values, remarks = IntensityRange("LIDAR").scaled([np.linspace(-60.0, 0.0, 50)])
    assert values.max() == 0
    assert [remark.reason for remark in remarks] == ["negative_intensity"]


@pytest.mark.parametrize(
    ("value", "said"), [(0.0, "found 0 in all"), (np.nan, "no finite number")]
)
def test_an_intensity_that_says_nothing_is_said(value, said):
    values, (remark,) = IntensityRange("LIDAR").scaled([np.full(100, value, np.float32)])
    assert not values.any()
    assert remark.reason == "no_intensity"
    assert said in remark.text
