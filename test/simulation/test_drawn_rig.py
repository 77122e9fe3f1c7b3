# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np

from effocc_ros.simulation.nuscenes_tree import TreeConfig, drive_of_scene
from effocc_ros.simulation.rig import drawn_rig, nuscenes_rig

SIZE = (396, 704)


def angle(one, other):
    return np.degrees(np.arccos(np.clip((np.trace(one.T @ other) - 1) / 2, -1, 1)))


def test_every_car_carries_its_sensors_a_little_differently():
    usual = nuscenes_rig(SIZE)
    rigs = [drawn_rig(seed, SIZE) for seed in range(30)]
    for rig in rigs:
        for camera, plan in zip(rig.cameras, usual.cameras, strict=True):
            assert 0.0 < angle(camera.sensor2ego[:3, :3], plan.sensor2ego[:3, :3]) < 1.5
            assert np.abs(camera.sensor2ego[:3, 3] - plan.sensor2ego[:3, 3]).max() < 0.05
            assert 0.96 < camera.intrinsics[0, 0] / plan.intrinsics[0, 0] < 1.04
            assert np.abs(camera.intrinsics[:2, 2] - plan.intrinsics[:2, 2]).max() < 9
        np.testing.assert_allclose(rig.lidar.elevations, usual.lidar.elevations, atol=0.001)
    heights = np.array([rig.lidar.sensor2ego[2, 3] for rig in rigs])
    assert 1.68 < heights.min() < 1.78
    assert 1.90 < heights.max() < 2.0
    tilts = [angle(rig.lidar.sensor2ego[:3, :3], usual.lidar.sensor2ego[:3, :3]) for rig in rigs]
    assert 0.8 < max(tilts) < 1.5


def test_the_same_car_comes_again():
    one, two = drawn_rig(4, SIZE), drawn_rig(4, (198, 352))
    np.testing.assert_array_equal(one.lidar.sensor2ego, two.lidar.sensor2ego)
    np.testing.assert_array_equal(one.cameras[2].sensor2ego, two.cameras[2].sensor2ego)
    np.testing.assert_allclose(
        one.cameras[2].intrinsics[:2, 0], 2 * two.cameras[2].intrinsics[:2, 0]
    )


def test_the_beams_of_a_tilted_lidar_tilt_with_it():
    lidar = drawn_rig(1, SIZE).lidar
    beams = lidar.beams.reshape(lidar.columns, 32, 3)
    np.testing.assert_allclose(np.linalg.norm(beams, axis=2), 1.0)
    np.testing.assert_allclose(np.arcsin(beams[:, :, 2]), lidar.elevations + 0 * beams[:, :, 2])
    # x is right and y forward; it starts behind to the left of forward and turns clockwise.
    start = np.degrees(np.arctan2(beams[0, 0, 1], beams[0, 0, 0]))
    np.testing.assert_allclose(start % 360, (105.4 + 90 - 180 / 1084) % 360, atol=1e-6)


def test_the_tables_hold_the_calibration_of_each_scene(simulated_tree):
    drive = drive_of_scene(TreeConfig(1, 3, 9, (198, 352)), 1)
    rows = json.loads((simulated_tree / "v1.0-trainval/calibrated_sensor.json").read_text())
    cameras = [row for row in rows if row["camera_intrinsic"]]
    assert len(cameras) == 6
    for row, camera in zip(cameras, drive.rig.cameras, strict=True):
        np.testing.assert_allclose(row["camera_intrinsic"], camera.intrinsics)
        np.testing.assert_allclose(row["translation"], camera.sensor2ego[:3, 3])
    (lidar,) = (row for row in rows if not row["camera_intrinsic"])
    np.testing.assert_allclose(lidar["translation"], drive.rig.lidar.sensor2ego[:3, 3])
