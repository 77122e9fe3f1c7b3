# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest
from helpers.drives import SCENES, make_drives
from helpers.occupancy_bags import CAR, SPEED, make_demo, make_occupancy_bag
from helpers.tiny_model import make_tiny_checkpoint
from helpers.toy_drive import PERIOD, START
from helpers.waymo_tree import make_waymo

from effocc_ros.bags.messages import occupancy_message
from effocc_ros.bags.writer import BagWriter
from effocc_ros.errors import InputError
from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.visualization.bag_moments import Choice
from effocc_ros.visualization.sources import open_moments


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return make_demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture
def said():
    return []


@pytest.fixture
def choice(said):
    return Choice(device="cpu", say=said.append)


def test_recorded_occupancy_meets_the_sensors_and_the_truth_of_its_stamp(demo, choice, said):
    first, second = open_moments(demo, choice)
    assert (first.frame.stamp, second.frame.stamp) == (START + PERIOD, START + 3 * PERIOD)
    for moment in (first, second):
        assert {camera.name for camera in moment.frame.cameras} == set(NUSCENES_CAMERAS)
        assert moment.frame.stamp == moment.prediction.stamp
        assert len(moment.frame.cloud.points)
    assert first.truth is not None
    assert (first.truth.labels != CAR).all()
    assert second.truth is None
    assert said[0].startswith("rig nuscenes: ")


def test_occupancy_alone_is_shown_where_tf_says_the_vehicle_was(tmp_path, choice, said):
    bag = make_occupancy_bag(tmp_path / "occupancy", (START, START + 5 * PERIOD))
    first, second = open_moments(bag, choice)
    assert (first.frame.cameras, first.frame.cloud) == ((), None)
    np.testing.assert_allclose(first.frame.ego2global, np.eye(4))
    np.testing.assert_allclose(second.frame.ego2global[0, 3], SPEED * 0.5)
    assert said[0].startswith("no images and sweeps are shown: ")


def test_stamps_without_sensors_lie_between_those_that_have_them(tmp_path, choice):
    folder = make_demo(tmp_path / "demo")
    stamps = (START, START + PERIOD // 2, START + 2 * PERIOD, START + 9 * PERIOD)
    make_occupancy_bag(tmp_path / "other", stamps).rename(folder / "both")
    (folder / "occupancy").rename(folder / "unused")
    (folder / "both").rename(folder / "occupancy")
    cameras = [len(moment.frame.cameras) for moment in open_moments(folder, choice)]
    assert cameras == [6, 0, 6, 0]


def test_two_topics_of_occupancy_are_not_guessed_between(tmp_path, choice):
    from helpers.occupancy_bags import street

    with BagWriter(tmp_path / "bag") as writer:
        for topic in ("/a", "/b"):
            writer.write(topic, occupancy_message(street()), START)
    with pytest.raises(InputError, match="occupancy on /a, /b"):
        open_moments(tmp_path / "bag", choice)


def test_a_named_model_runs_over_the_sensors_of_the_drive(demo, tmp_path):
    model = str(make_tiny_checkpoint(tmp_path / "tiny_lidar.safetensors", "lidar"))
    choice = Choice(model=model, rig="nuscenes", device="cpu", interval_s=0.1)
    moment = next(iter(open_moments(demo, choice)))
    assert (moment.prediction.model, moment.prediction.mode) == ("tiny_lidar", "lidar")
    assert moment.frame.stamp == START


def test_a_scene_of_a_data_set_is_shown_with_its_labels(tmp_path):
    root = make_drives(tmp_path / "nuscenes", keyframes=1)
    model = str(make_tiny_checkpoint(tmp_path / "tiny_lidar.safetensors", "lidar"))
    (moment,) = open_moments(root, Choice(model=model, device="cpu", scene=SCENES[1]))
    assert moment.truth.labels[101, 120, 5] == CAR
    assert len(moment.frame.cameras) == 6
    with pytest.raises(InputError, match="found 'scene-9'; expected one of scene-0061"):
        next(iter(open_moments(root, Choice(model=model, device="cpu", scene="scene-9"))))


def test_a_waymo_scene_is_shown_by_its_labels_or_by_a_model_beside_them(tmp_path, choice, said):
    root = make_waymo(tmp_path / "waymo", scenes=2, frames=2)
    moments = list(open_moments(root, replace(choice, scene="001")))
    assert [len(moment.frame.cameras) for moment in moments] == [5, 5]
    assert [[*moment.grids] for moment in moments] == [["truth"], ["truth"]]
    assert moments[0].truth.labels[10, 20, 3] == 1
    assert "labels alone" in said[-1]
    assert len(list(open_moments(root, replace(choice, scene="training/000")))) == 2
    with pytest.raises(InputError, match="found '7'; expected one of training/000, training/001"):
        next(iter(open_moments(root, replace(choice, scene="7"))))
    nuscenes = str(make_tiny_checkpoint(tmp_path / "tiny.safetensors", "lidar"))
    with pytest.raises(InputError, match="classes occ3d_nuscenes; expected occ3d_waymo"):
        next(iter(open_moments(root, replace(choice, model=nuscenes))))


def test_a_waymo_frame_with_a_broken_file_is_left_out_and_said(tmp_path, choice, said):
    root = make_waymo(tmp_path / "waymo", scenes=1, frames=2)
    (root / "kitti_format/training/image_0/0000000.jpg").write_bytes(b"no picture")
    assert [m.frame.stamp for m in open_moments(root, choice)] == [100_000_000]
    assert "left out: 1 that cannot be read" in said[-1]
