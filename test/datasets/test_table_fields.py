# SPDX-License-Identifier: Apache-2.0
"""Every field of a table is looked at; what cannot be is named by table, row and field."""

import os

import pytest
from helpers.small_nuscenes import (
    SCENE,
    START_US,
    VERSION,
    make_small_nuscenes,
    read_table,
    write_table,
)

from effocc_ros.datasets.nuscenes_tables import NuscenesTables
from effocc_ros.errors import InputError

TABLES = ("scene", "sample", "sensor", "calibrated_sensor", "ego_pose", "sample_data")
STRANGE = (
    None,
    True,
    7,
    -1,
    10**30,
    1.5,
    float("nan"),
    "a\0b",
    "\ud800",
    "x" * 5000,
    [],
    [[]],
    {},
)
NAN, INF = float("nan"), float("inf")


@pytest.fixture
def root(tmp_path):
    return make_small_nuscenes(tmp_path / "nuscenes")


def refusal(root):
    with pytest.raises(InputError) as caught:
        NuscenesTables(root, VERSION).scene(SCENE)
    return caught.value


def refused(root):
    """The reason why the tables are refused; empty where they are read."""
    try:
        NuscenesTables(root, VERSION).scene(SCENE)
    except InputError as error:
        return error.reason
    return ""


def change(root, table, number, **fields):
    rows = read_table(root, table)
    rows[number].update(fields)
    write_table(root, table, rows)


@pytest.mark.parametrize("table", TABLES)
def test_a_value_of_another_type_ends_in_no_traceback(root, table):
    whole = read_table(root, table)
    for field in whole[0]:
        for value in STRANGE:
            write_table(root, table, [{**whole[0], field: value}, *whole[1:]])
            # A token of another type or row leads elsewhere: then that row is named.
            assert refused(root) in ("", "bad_table", "missing_token"), (field, value)


@pytest.mark.parametrize(
    ("table", "field", "value", "said"),
    [
        ("ego_pose", "rotation", [0.0, 0.0, 0.0, 0.0], "a unit quaternion"),
        ("ego_pose", "rotation", [0.7, 0.7, 0.7, 0.7], "a unit quaternion"),
        ("ego_pose", "rotation", [1.0, 0.0, 0.0], "4 finite numbers"),
        ("ego_pose", "rotation", [NAN, 0.0, 0.0, 1.0], "4 finite numbers"),
        ("ego_pose", "translation", [NAN, 0.0, 0.0], "3 finite numbers"),
        ("ego_pose", "translation", [1e12, 0.0, 0.0], "metres, at most"),
        ("ego_pose", "timestamp", START_US * 1000, "looks like nanoseconds"),
        ("ego_pose", "timestamp", START_US / 1e6 + 0.25, "looks like seconds"),
        ("ego_pose", "timestamp", -5, "microseconds since 1970"),
        ("ego_pose", "timestamp", START_US + 10**9, "by one clock"),
        ("sample", "timestamp", START_US * 1000, "looks like nanoseconds"),
        ("sample", "token", "../../secret", "a name that can be that of a folder"),
        ("scene", "name", "..", "a name that can be that of a folder"),
        ("calibrated_sensor", "rotation", [0, 0, 0, 0], "a unit quaternion"),
        ("calibrated_sensor", "translation", [INF, 0, 0], "3 finite numbers"),
        ("calibrated_sensor", "camera_intrinsic", [[1, 0], [0, 1]], "3 rows of 3"),
        ("calibrated_sensor", "camera_intrinsic", [3 * [NAN]] * 3, "3 rows of 3"),
        ("sample_data", "is_key_frame", "False", "true or false"),
        ("sample_data", "width", "1600", "a whole number of pixels"),
        ("sample_data", "height", 10**9, "a whole number of pixels"),
        ("sample_data", "filename", "/etc/passwd", "below the data set's folder"),
        ("sample_data", "filename", "samples/../../a.jpg", "below the data set's folder"),
        ("sample_data", "filename", "samples\\..\\..\\a.jpg", "below the data set's folder"),
        ("sample_data", "filename", "C:\\data\\samples\\a.jpg", "relative to the folder"),
    ],
)
def test_what_cannot_be_is_named_by_table_and_field(root, table, field, value, said):
    change(root, table, 0, **{field: value})
    error = refusal(root)
    assert f"{table}.json" in error.what
    assert f"field {field}" in error.what
    assert said in str(error)
    assert error.reason == "bad_table"


def test_a_row_is_told_by_number_and_token(root):
    change(root, "ego_pose", 2, rotation=[0, 0, 0, 0])
    assert "ego_pose.json, row 2 (token pose-2), field rotation" in refusal(root).what


@pytest.mark.parametrize("factor", [1e-3, 1e-6])
def test_keyframes_that_follow_too_closely_tell_of_another_unit(root, factor):
    for table in ("sample", "sample_data", "ego_pose"):
        rows = read_table(root, table)
        for row in rows:
            row["timestamp"] = round(row["timestamp"] * factor)
        if table == "sample":
            later = rows[0]["timestamp"] + round(500_000 * factor)
            rows.append({**rows[0], "token": "later", "timestamp": later})
        write_table(root, table, rows)
    assert "look like milliseconds or seconds" in refusal(root).do


def test_tables_that_windows_wrote_are_read(root):
    before = NuscenesTables(root, VERSION).scene(SCENE)
    rows = read_table(root, "sample_data")
    for row in rows:
        row["filename"] = row["filename"].replace("/", "\\")
    write_table(root, "sample_data", rows)
    path = root / VERSION / "sample_data.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"}, {", b"},\r\n{"))
    after = NuscenesTables(root, VERSION).scene(SCENE)
    assert [record.file for record in after] == [record.file for record in before]
    assert all(record.file.is_file() for record in after)


def test_whole_numbers_may_be_written_with_a_point(root):
    before = NuscenesTables(root, VERSION).scene(SCENE)
    change(root, "sample_data", 1, timestamp=START_US + 40_000.0, height=900.0, is_key_frame=1)
    after = NuscenesTables(root, VERSION).scene(SCENE)
    assert [(r.stamp, r.size, r.key_frame) for r in after] == [
        (r.stamp, r.size, r.key_frame) for r in before
    ]


@pytest.mark.parametrize(
    "text",
    ['[{"token": ' + 100_000 * "[", '[{"token": ' + 5000 * "9" + "}]", '[{"a": "' + 2**21 * "x"],
)
def test_rows_without_end_are_refused(root, text):
    (root / VERSION / "sensor.json").write_text(text)
    error = refusal(root)
    assert error.what == f"nuScenes table {root / VERSION / 'sensor.json'}"


def test_a_pipe_in_place_of_a_table_is_not_waited_for(root):
    path = root / VERSION / "scene.json"
    path.unlink()
    os.mkfifo(path)
    assert "not a regular file" in refusal(root).found
