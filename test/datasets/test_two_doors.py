# SPDX-License-Identifier: Apache-2.0
"""Dataset and stream are two doors to one room."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.drives import SCENES, VERSION, make_drives
from helpers.real_frame import LIDAR_STAMP, SCENE, make_real_frame_bag
from helpers.real_frame import VERSION as REAL_VERSION
from helpers.tiny_model import make_tiny_checkpoint, tiny_config
from helpers.two_doors import (
    INTERVAL_S,
    assert_same_answers,
    dataset_answers,
    make_scene_bag,
    message_answers,
)

from effocc_ros.bags.frames import read_frame
from effocc_ros.bags.nuscenes import nuscenes_to_bag
from effocc_ros.bags.process import OCCUPANCY_TOPIC, ProcessOptions, process_bag
from effocc_ros.bags.reader import BagReader
from effocc_ros.datasets.benchmarks import open_dataset
from effocc_ros.datasets.nuscenes_frames import SweepChoice
from effocc_ros.geometry import inverse_rigid, rigid, transform_points
from effocc_ros.predictor import Predictor
from effocc_ros.rig import load_rig


def assert_same(dataset_frame, stream_frame):
    for name in ("stamp", "frame_id"):
        assert getattr(dataset_frame, name) == getattr(stream_frame, name)
    assert set(dataset_frame.inputs) == set(stream_frame.inputs)
    assert_close(dataset_frame.ego2global, stream_frame.ego2global)
    for camera in dataset_frame.cameras:
        other = stream_frame.camera(camera.name)
        assert camera.stamp == other.stamp
        np.testing.assert_array_equal(camera.image, other.image)
        for matrix in ("intrinsics", "sensor2ego", "ego2global"):
            assert_close(getattr(camera, matrix), getattr(other, matrix))
    ours, theirs = dataset_frame.cloud, stream_frame.cloud
    assert_close(ours.sensor2ego, theirs.sensor2ego)
    assert ours.points.shape == theirs.points.shape
    np.testing.assert_allclose(ours.points[:, :3], theirs.points[:, :3], atol=1e-4, rtol=0)
    np.testing.assert_array_equal(ours.points[:, 3], theirs.points[:, 3])
    np.testing.assert_allclose(ours.points[:, 4], theirs.points[:, 4], atol=1e-6, rtol=0)


def assert_close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, atol=1e-9, rtol=0)


@pytest.fixture
def simulated(simulated_tree):
    return simulated_tree


@pytest.fixture(scope="module")
def real_bag(data_dir, tmp_path_factory):
    return make_real_frame_bag(data_dir, tmp_path_factory.mktemp("real") / "bag")


def real_sample(bag, sweeps):
    root = bag.parent / f"{bag.name}-nuscenes"
    dataset = open_dataset(
        "occ3d_nuscenes",
        root,
        "all",
        version=REAL_VERSION,
        with_labels=False,
        sweeps=SweepChoice(sweeps),
    )
    assert [sample.scene for sample in dataset.samples] == [SCENE]
    return dataset[0]


def test_a_recorded_sample_is_the_same_frame_through_both(real_bag):
    model = tiny_config()
    theirs = read_frame(real_bag, load_rig("nuscenes"), model, LIDAR_STAMP)
    ours = real_sample(real_bag, model.sweeps).frame
    assert len(ours.cloud.points) > 80_000
    assert_same(ours, theirs)


def test_a_recorded_sample_gets_the_same_labels_through_both(real_bag, tmp_path):
    checkpoint = make_tiny_checkpoint(tmp_path / "tiny.safetensors")
    with Predictor(checkpoint, "cpu") as predictor:
        sweeps = predictor.config.sweeps
        theirs = read_frame(real_bag, load_rig("nuscenes"), predictor.config, LIDAR_STAMP)
        ours = real_sample(real_bag, sweeps).frame
        one, other = predictor.predict(ours), predictor.predict(theirs)
    assert len(np.unique(one.labels)) > 3
    assert (one.labels == other.labels).mean() >= 0.999


@pytest.mark.parametrize("keyframe", [0, 1])
def test_nine_earlier_sweeps_of_a_drive_are_the_same_through_both(tmp_path, keyframe):
    root = make_drives(tmp_path / "drives", SCENES[:1], sweeps=9)
    nuscenes_to_bag(root, tmp_path / "bag", version=VERSION, scene=SCENES[0])
    ours = open_dataset("occ3d_nuscenes", root, "mini_train")[keyframe].frame
    model = replace(tiny_config(), sweeps=9)
    theirs = read_frame(tmp_path / "bag", load_rig("nuscenes"), model, ours.stamp)
    assert len(np.unique(ours.cloud.points[:, 4])) == 10
    assert_same(ours, theirs)


def test_a_simulated_sample_is_the_same_frame_through_both(simulated, tmp_path):
    dataset = open_dataset("occ3d_nuscenes", simulated, "all")
    ours = dataset[1].frame
    scene = dataset.samples[1].scene
    nuscenes_to_bag(simulated, tmp_path / "bag", version="v1.0-trainval", scene=scene)
    model = replace(tiny_config(), sweeps=9)
    theirs = read_frame(tmp_path / "bag", load_rig("nuscenes"), model, ours.stamp)
    assert len(np.unique(ours.cloud.points[:, 4])) == 10
    assert_same(ours, theirs)


def test_a_simulated_scene_gets_the_same_labels_from_process_and_the_dataset(simulated, tmp_path):
    checkpoint = make_tiny_checkpoint(tmp_path / "tiny.safetensors")
    bag = make_scene_bag(simulated, tmp_path / "bag")
    options = ProcessOptions(str(checkpoint), interval_s=INTERVAL_S, device="cpu")
    process_bag(bag, tmp_path / "out", options)
    with BagReader(tmp_path / "out") as out:
        theirs = message_answers([m.decode() for m in out.messages([OCCUPANCY_TOPIC])])
    assert len(theirs) == 3
    assert_same_answers(dataset_answers(simulated, checkpoint), theirs)


def test_nuscenes_devkit_gives_the_same_points_and_poses(simulated):
    devkit = pytest.importorskip("nuscenes", reason="nuscenes-devkit is not installed")
    from nuscenes.utils.data_classes import LidarPointCloud

    dataset = open_dataset("occ3d_nuscenes", simulated, "all", cameras=())
    frame = dataset[1].frame
    nusc = devkit.NuScenes("v1.0-trainval", str(simulated), verbose=False)
    sample = nusc.get("sample", dataset.samples[1].token)
    theirs, lags = LidarPointCloud.from_file_multisweep(
        nusc, sample, "LIDAR_TOP", "LIDAR_TOP", nsweeps=10, min_distance=1.0
    )
    points = frame.cloud.points
    place = transform_points(inverse_rigid(frame.cloud.sensor2ego), points[:, :3])
    # The devkit leaves close points out of the key sweep, too; networks are trained with them.
    kept = (np.abs(place[:, :2]) >= 1.0).any(axis=1) | (points[:, 4] > 0)
    assert theirs.points.shape[1] == kept.sum()
    np.testing.assert_allclose(place[kept], theirs.points[:3].T, atol=1e-3)
    np.testing.assert_allclose(points[kept, 4], lags[0], atol=1e-6)
    pose = nusc.get(
        "ego_pose", nusc.get("sample_data", sample["data"]["LIDAR_TOP"])["ego_pose_token"]
    )
    assert_close(frame.ego2global, rigid(pose["rotation"], pose["translation"]))
