# SPDX-License-Identifier: Apache-2.0
"""The weights that ship: small, honest about themselves, and better than a guess."""

import numpy as np
import pytest

from effocc_ros.checkpoints import load_checkpoint, shipped_checkpoint
from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.evaluation.miou import confusion_of
from effocc_ros.frame import Camera, Frame, PointCloud
from effocc_ros.predictor import Predictor
from effocc_ros.simulation.drive import Drive
from effocc_ros.sweeps import Sweep, aggregate_sweeps

NAMES = ("fusion_tiny", "vision_tiny", "lidar_tiny")


@pytest.fixture(scope="module", name="moment")
def _moment():
    """A keyframe of a street that nobody trained on: its Frame, truth and what cameras saw."""
    drive = Drive(seed=20261, duration_s=1.05)
    instants = drive.instants()
    key = instants[10]
    lidar = drive.rig.lidar

    def turn(instant):
        points, pose = drive.sweep(instant.stamp).points, drive.ego2map(instant.stamp)
        return Sweep(points, lidar.sensor2ego, pose, instant.stamp)

    points = aggregate_sweeps(turn(key), [turn(instant) for instant in instants[1:10]])
    cameras = []
    for name, stamp in key.cameras:
        mount = drive.camera(name)
        cameras.append(
            Camera(
                name,
                drive.picture(name, stamp),
                mount.intrinsics,
                mount.sensor2ego,
                drive.ego2map(stamp),
                stamp,
            )
        )
    cloud = PointCloud(points, lidar.sensor2ego)
    frame = Frame(key.stamp, "base_link", tuple(cameras), cloud, drive.ego2map(key.stamp))
    truth = drive.truth(key.stamp)
    return frame, truth["semantics"], truth["mask_camera"] != 0


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_checkpoint_is_small_and_says_what_it_is(name):
    path = shipped_checkpoint(name)
    assert path is not None
    assert path.stat().st_size < 8e6
    config, state, card = load_checkpoint(path)
    assert config.name == card["preset"] == name
    assert card["trained"]
    assert "simulated" in card["training_data"]
    assert "not for driving" in card["notes"]
    assert all(value.isfinite().all() for value in state.values())


# A guess without sensors has about 27 % geometric IoU on such streets.
@pytest.mark.parametrize(("name", "least"), [("fusion_tiny", 0.5), ("lidar_tiny", 0.5)])
def test_shipped_networks_see_an_unseen_street(moment, name, least):
    frame, truth, seen = moment
    with Predictor(name, "cpu") as predictor:
        occupancy = predictor.predict(frame)
    assert occupancy.trained
    confusion = confusion_of(occupancy.labels, truth, OCC3D_NUSCENES, seen)
    assert confusion.geometric_iou() > least
    road = OCC3D_NUSCENES.names.index("driveable_surface")
    assert confusion.iou()[road] > 0.5


def test_the_camera_network_finds_the_road(moment):
    frame, truth, seen = moment
    with Predictor("vision_tiny", "cpu") as predictor:
        labels = predictor.predict(frame).labels
    confusion = confusion_of(labels, truth, OCC3D_NUSCENES, seen)
    road = OCC3D_NUSCENES.names.index("driveable_surface")
    assert confusion.iou()[road] > 0.3
    assert len(np.unique(labels)) > 3
