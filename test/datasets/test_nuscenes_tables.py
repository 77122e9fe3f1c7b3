# SPDX-License-Identifier: Apache-2.0
import pickle

import numpy as np
import pytest
from helpers.drives import (
    SWEEP_US,
    VERSION,
    make_drives,
    read_table,
    token,
    write_table,
)

from effocc_ros.datasets.nuscenes_tables import NuscenesTables
from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.geometry import rigid


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_drives(tmp_path_factory.mktemp("drives") / "nuscenes")


@pytest.fixture(scope="module")
def tables(root):
    return NuscenesTables(root, VERSION)


def test_samples_come_in_the_order_of_time_with_their_scenes(tables):
    assert [(sample.scene, sample.token) for sample in tables.samples()] == [
        (scene, token(scene, k)) for scene in ("scene-0061", "scene-0103") for k in (0, 1)
    ]


def test_a_keyframe_holds_every_sensor_once_and_no_sweep(tables):
    sample = tables.samples()[1]
    records = tables.keyframe(sample)
    assert set(records) == {"LIDAR_TOP", *NUSCENES_CAMERAS}
    assert records["LIDAR_TOP"].stamp == sample.stamp
    assert records["LIDAR_TOP"].token == sample.lidar_token
    assert all(record.key_frame for record in records.values())


def test_earlier_sweeps_are_newest_first_and_cross_keyframes_but_not_scenes(tables):
    samples = tables.samples()
    second = tables.keyframe(samples[1])["LIDAR_TOP"]
    earlier = tables.earlier(second, 5)
    assert [record.key_frame for record in earlier] == [False, False, False, True, False]
    assert [second.stamp - record.stamp for record in earlier[:3]] == [
        SWEEP_US * 1000 * back for back in (1, 2, 3)
    ]
    first_of_second_scene = tables.keyframe(samples[2])["LIDAR_TOP"]
    assert len(tables.earlier(first_of_second_scene, 100)) == 3


def test_records_hold_what_the_rows_point_to(root, tables):
    record = tables.keyframe(tables.samples()[0])["CAM_BACK"]
    row = next(r for r in read_table(root, "sample_data") if r["token"] == record.token)
    pose = next(r for r in read_table(root, "ego_pose") if r["token"] == row["ego_pose_token"])
    place = next(
        r
        for r in read_table(root, "calibrated_sensor")
        if r["token"] == row["calibrated_sensor_token"]
    )
    assert record.file == root / row["filename"]
    assert (record.size, record.modality) == ((36, 64), "camera")
    np.testing.assert_array_equal(record.ego2global, rigid(pose["rotation"], pose["translation"]))
    np.testing.assert_array_equal(
        record.sensor2ego, rigid(place["rotation"], place["translation"])
    )
    np.testing.assert_array_equal(record.intrinsics, place["camera_intrinsic"])


def test_the_order_of_rows_does_not_matter(root, tables, tmp_path):
    other = tmp_path / "turned"
    for name in ("scene", "sample", "sensor", "calibrated_sensor", "ego_pose", "sample_data"):
        write_table(other, name, read_table(root, name)[::-1])
    turned = NuscenesTables(other, VERSION)
    assert turned.samples() == tables.samples()
    assert [record.token for record in turned.scene("scene-0103")] == [
        record.token for record in tables.scene("scene-0103")
    ]


def test_tables_can_be_handed_to_another_process(tables):
    assert pickle.loads(pickle.dumps(tables)).samples() == tables.samples()
