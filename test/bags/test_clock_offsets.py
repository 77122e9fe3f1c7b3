# SPDX-License-Identifier: Apache-2.0
"""A clock that the rig says is another one puts a bag's messages where they belong."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.toy_drive import (
    IMAGE,
    PERIOD,
    START,
    camera_image,
    camera_info,
    points,
    static_poses,
)

from effocc_ros.bags.frames import read_frames
from effocc_ros.bags.messages import tf_message, transform_message
from effocc_ros.bags.writer import BagWriter
from effocc_ros.presets import load_preset
from effocc_ros.rig import load_rig
from effocc_ros.stamps import NANOSECONDS

MOMENTS = 20
CAMERA = "CAM_BACK"
STAMPS = [START + number * PERIOD for number in range(MOMENTS)]


def write_drive(path, wrong: dict[str, float]) -> None:
    """Write a drive of one camera and a LiDAR whose clocks are wrong by some seconds."""
    shifts = {name: round(seconds * NANOSECONDS) for name, seconds in wrong.items()}
    with BagWriter(path) as writer:
        writer.write("/tf_static", static_poses().message, START)
        for stamp in STAMPS:
            pose = np.eye(4)
            pose[0, 3] = 5.0 * (stamp - START) / NANOSECONDS
            told = stamp + shifts.get("tf", 0)
            edge = transform_message(told, "map", "base_link", pose)
            writer.write("/tf", tf_message([edge]), stamp)
            told = stamp + shifts.get(CAMERA, 0)
            writer.write(f"/{CAMERA}/camera_info", camera_info(CAMERA, told).message, stamp)
            writer.write(f"/{CAMERA}/{IMAGE}", camera_image(CAMERA, told).message, stamp)
            told = stamp + shifts.get("LIDAR_TOP", 0)
            writer.write("/LIDAR_TOP", points(told).message, stamp)


def said_rig(wrong: dict[str, float]):
    """Return a rig that says what is wrong."""
    rig = load_rig("nuscenes")
    cameras = tuple(
        replace(each, offset_s=0.0, clock_offset_s=-wrong.get(each.name, 0.0))
        for each in rig.cameras
    )
    return replace(
        rig,
        cameras=cameras,
        points_clock_offset_s=-wrong.get("LIDAR_TOP", 0.0),
        tf_clock_offset_s=-wrong.get("tf", 0.0),
    )


@pytest.mark.parametrize("seconds", [0.5, -1.5, 37.0])
@pytest.mark.parametrize("source", [CAMERA, "LIDAR_TOP", "tf"])
def test_every_frame_has_all_sensors_whichever_clock_is_wrong(tmp_path, source, seconds):
    wrong = {source: seconds}
    write_drive(tmp_path / "bag", wrong)
    frames = list(
        read_frames(tmp_path / "bag", said_rig(wrong), load_preset("fusion_tiny"), STAMPS)
    )
    assert [frame.stamp for frame in frames] == STAMPS
    for frame in frames:
        assert [camera.name for camera in frame.cameras] == [CAMERA]
        assert frame.camera(CAMERA).stamp == frame.stamp
        np.testing.assert_allclose(
            frame.ego2global[0, 3], 5.0 * (frame.stamp - START) / NANOSECONDS, atol=1e-6
        )
