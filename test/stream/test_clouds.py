# SPDX-License-Identifier: Apache-2.0
"""Clouds of any layout become x, y, z, intensity; broken ones are named."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.sensor_messages import POINTS, at, cloud, decode_cloud

from effocc_ros.bags.messages import header_message, message, point_cloud_message
from effocc_ros.errors import InputError

KINDS = {
    np.int8: 1,
    np.uint8: 2,
    np.int16: 3,
    np.uint16: 4,
    np.int32: 5,
    np.uint32: 6,
    np.float32: 7,
    np.float64: 8,
}


def layout(*fields, gap: int = 0, points: np.ndarray = POINTS):
    """Build a cloud of (name, type) fields with a gap before each of them."""
    columns = {"x": 0, "y": 1, "z": 2}
    offsets, size = [], 0
    for _, kind in fields:
        offsets.append(size + gap)
        size += gap + np.dtype(kind).itemsize
    names, kinds = zip(*fields, strict=True)
    dtype = np.dtype(
        {"names": names, "formats": kinds, "offsets": offsets, "itemsize": size + gap}
    )
    table = np.zeros(len(points), dtype)
    for name in names:
        table[name] = points[:, columns.get(name.lower(), 3)]
    described = [
        message("sensor_msgs/msg/PointField", name=name, offset=offset, datatype=KINDS[k], count=1)
        for (name, k), offset in zip(fields, offsets, strict=True)
    ]
    return message(
        "sensor_msgs/msg/PointCloud2",
        header=header_message(at(0), "lidar"),
        height=1,
        width=len(points),
        fields=described,
        is_bigendian=False,
        point_step=dtype.itemsize,
        row_step=dtype.itemsize * len(points),
        data=np.frombuffer(table.tobytes(), np.uint8),
        is_dense=True,
    )


def test_a_plain_cloud_is_read_as_it_is():
    decoded = decode_cloud(cloud(), "LIDAR")
    points = decoded.points
    assert (points.dtype, decoded.not_finite, decoded.remarks) == (np.float32, 0, ())
    assert np.array_equal(points, POINTS.astype(np.float32))


@pytest.mark.parametrize("gap", [0, 3])
@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int32, np.float32, np.float64])
def test_intensity_of_any_type_is_read(kind, gap):
    fields = (("x", np.float64), ("y", np.float32), ("z", np.float64), ("intensity", kind))
    points = decode_cloud(layout(*fields, gap=gap), "LIDAR").points
    assert np.array_equal(points, POINTS.astype(np.float32))


def test_fields_may_come_in_any_order_among_others():
    fields = (
        ("ring", np.uint16),
        ("z", np.float32),
        ("time", np.float64),
        ("intensity", np.uint8),
    )
    points = decode_cloud(layout(*fields, ("x", np.float32), ("y", np.float32)), "LIDAR").points
    assert np.array_equal(points, POINTS.astype(np.float32))


def test_a_cloud_without_intensity_has_zeros():
    points = decode_cloud(layout(*((name, np.float32) for name in "xyz")), "LIDAR").points
    assert np.array_equal(points[:, :3], POINTS[:, :3].astype(np.float32))
    assert not points[:, 3].any()


def test_intensity_is_scaled():
    points = decode_cloud(cloud(), "LIDAR", intensity_scale=2.0).points
    assert points[:, 3].tolist() == [20.0, 40.0, 60.0]


def test_intensity_that_is_not_finite_counts_as_none():
    points = POINTS.copy()
    points[:2, 3] = np.nan, np.inf
    decoded = decode_cloud(cloud(points=points), "LIDAR")
    assert decoded.not_finite == 0
    assert decoded.points[:, 3].tolist() == [0.0, 0.0, 30.0]


@pytest.mark.parametrize("padding", [0, 7])
def test_an_organised_cloud_is_read_row_by_row(padding):
    grid = np.tile(POINTS.astype(np.float32), (2, 1))
    rows = grid.view(np.uint8).reshape(2, -1)
    data = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    message = cloud(height=2, width=3, row_step=data.shape[1], data=data.ravel())
    points = decode_cloud(message, "LIDAR").points
    assert np.array_equal(points, grid)


def test_a_driver_that_leaves_row_step_empty_is_understood():
    points = decode_cloud(cloud(row_step=0), "LIDAR").points
    assert len(points) == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_points_that_are_not_finite_are_left_out_and_counted(bad):
    points = POINTS.copy()
    points[1, 2] = bad
    decoded = decode_cloud(cloud(points=points), "LIDAR")
    assert (decoded.not_finite, decoded.no_return) == (1, 0)
    assert np.array_equal(decoded.points, POINTS[[0, 2]].astype(np.float32))


@pytest.mark.parametrize("code", [0.0, -0.0, 1e6, -70_000.0])
def test_codes_for_no_return_are_left_out_and_counted(code):
    points = np.vstack([POINTS, np.full((2, 4), code), [[np.nan] * 4]])
    decoded = decode_cloud(cloud(points=points), "LIDAR")
    assert (decoded.not_finite, decoded.no_return) == (1, 2)
    assert np.array_equal(decoded.points, POINTS.astype(np.float32))
    assert [remark.reason for remark in decoded.remarks] == ["nan_points", "no_return"]
    assert "found 2 of 6 points at the sensor itself" in decoded.remarks[1].text


def test_points_on_an_axis_or_micrometres_away_are_returns():
    points = np.array([[0, 0, -1.5, 9], [0, 7, 0, 9], [-300, 0, 0, 9], [0, 7e-6, 0, 9.0]])
    assert decode_cloud(cloud(points=points), "LIDAR").no_return == 0


@pytest.mark.parametrize("row_step", [3, 6, 96, 2**31])
def test_a_row_step_that_contradicts_whole_data_is_said_and_overruled(row_step):
    grid = np.tile(POINTS.astype(np.float32), (2, 1))
    decoded = decode_cloud(cloud(points=grid, height=2, width=3, row_step=row_step), "LIDAR")
    assert np.array_equal(decoded.points, grid)
    (remark,) = decoded.remarks
    assert remark.reason == "contradicting_cloud"
    assert f"row_step {row_step} beside 96 bytes for 3x2 points of 16 bytes" in remark.text


def test_rows_may_lack_the_gap_after_the_last_one():
    grid = np.tile(POINTS.astype(np.float32), (2, 1))
    rows = np.pad(grid.view(np.uint8).reshape(2, -1), ((0, 0), (0, 8)), constant_values=77)
    message = cloud(height=2, width=3, row_step=56, data=rows.ravel()[:-8])
    decoded = decode_cloud(message, "LIDAR")
    assert np.array_equal(decoded.points, grid)
    assert decoded.remarks == ()


@pytest.mark.parametrize("changes", [{"width": 0}, {"height": 0}])
def test_points_that_are_there_count_whatever_width_and_height_say(changes):
    decoded = decode_cloud(cloud(**changes), "LIDAR")
    assert np.array_equal(decoded.points, POINTS.astype(np.float32))
    assert [remark.reason for remark in decoded.remarks] == ["contradicting_cloud"]


BAD = {
    "cloud_without_xyz": layout(("x", np.float32), ("z", np.float32), ("range", np.float32)),
    "empty_cloud": cloud(points=np.empty((0, 4))),
    "nan_cloud": cloud(points=np.full((3, 4), np.nan)),
    "no_returns": cloud(points=np.array([[0, 0, 0, 5], [np.nan, 0, 0, 5.0]])),
    "short_cloud": replace(cloud(), data=cloud().data[:-1]),
}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_cloud_is_refused_by_name(reason):
    with pytest.raises(
        InputError, match=r"cloud of LIDAR: found .*; expected .*left out"
    ) as error:
        decode_cloud(BAD[reason], "LIDAR")
    assert error.value.reason == reason


def test_the_fields_that_a_cloud_has_are_told_when_it_lacks_one():
    with pytest.raises(InputError, match="found fields x, z, range; expected fields x, y and z"):
        decode_cloud(BAD["cloud_without_xyz"], "LIDAR")


@pytest.mark.parametrize("changes", [{"datatype": 9}, {"datatype": 0}, {"offset": 13}])
def test_a_field_that_cannot_be_read_is_refused(changes):
    whole = cloud()
    fields = [replace(each, **changes) if each.name == "z" else each for each in whole.fields]
    with pytest.raises(InputError, match="field z of unknown type or beyond point_step") as caught:
        decode_cloud(replace(whole, fields=fields), "LIDAR")
    assert caught.value.reason == "bad_cloud"


@pytest.mark.parametrize("step", [0, 4, 15])
def test_a_point_step_without_room_for_the_fields_is_said_and_overruled(step):
    decoded = decode_cloud(cloud(point_step=step), "LIDAR")
    assert np.array_equal(decoded.points, POINTS.astype(np.float32))
    assert f"point_step {step} beside 48 bytes for 3x1 points" in decoded.remarks[0].text


def test_a_point_step_that_the_data_do_not_explain_is_refused():
    with pytest.raises(InputError, match="beyond point_step"):
        decode_cloud(cloud(point_step=0, row_step=0, width=7), "LIDAR")


def test_big_endian_points_are_read():
    data = POINTS.astype(">f4").tobytes()
    message = cloud(is_bigendian=True, data=np.frombuffer(data, np.uint8))
    decoded = decode_cloud(message, "LIDAR")
    assert np.array_equal(decoded.points, POINTS.astype(np.float32))
    assert decoded.remarks == ()


def test_a_flag_for_big_endian_that_the_data_contradict_is_said_and_overruled():
    decoded = decode_cloud(cloud(is_bigendian=True), "LIDAR")
    assert np.array_equal(decoded.points, POINTS.astype(np.float32))
    assert "found is_bigendian beside" in decoded.remarks[0].text


def test_our_own_writer_and_this_reader_agree():
    dtype = np.dtype([(name, "<f4") for name in ("x", "y", "z", "intensity", "ring")])
    table = np.zeros(5, dtype)
    table["x"], table["intensity"], table["ring"] = range(1, 6), range(10, 15), 3
    points = decode_cloud(point_cloud_message(at(0), "lidar", table), "LIDAR").points
    assert points[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert points[:, 3].tolist() == [10, 11, 12, 13, 14]


F4 = np.float32


def test_more_data_than_points_are_said():
    sent = layout(("x", F4), ("y", F4), ("z", F4), ("intensity", F4))
    width = len(POINTS) - 1
    sent = replace(sent, width=width, row_step=width * sent.point_step)
    decoded = decode_cloud(sent, "LIDAR")
    assert len(decoded.points) == width
    assert [remark.reason for remark in decoded.remarks] == ["contradicting_cloud"]
    assert "more than" in decoded.remarks[0].text


@pytest.mark.parametrize("offsets", [(0, 0, 0), (0, 4, 4), (0, 2, 8), (8, 4, 5)])
def test_coordinates_in_the_same_bytes_are_refused(offsets):
    sent = layout(("x", F4), ("y", F4), ("z", F4), ("intensity", F4))
    fields = [
        replace(field, offset=offset)
        for field, offset in zip(sent.fields, (*offsets, 12), strict=True)
    ]
    with pytest.raises(InputError, match="in the same bytes of a point") as error:
        decode_cloud(replace(sent, fields=fields), "LIDAR")
    assert error.value.reason == "bad_cloud"


@pytest.mark.parametrize("order", [1, -1])
def test_of_fields_of_one_name_the_one_in_small_letters_counts(order):
    sent = layout(("x", F4), ("y", F4), ("z", F4), ("intensity", F4))
    other = replace(sent.fields[0], name="X", offset=sent.fields[3].offset)
    fields = [sent.fields[0], other][::order] + list(sent.fields[1:])
    decoded = decode_cloud(replace(sent, fields=fields), "LIDAR")
    np.testing.assert_allclose(decoded.points[:, 0], POINTS[:, 0])
