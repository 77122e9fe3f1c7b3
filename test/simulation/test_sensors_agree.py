# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.geometry import OCC3D_GRID, inverse_rigid, transform_points
from effocc_ros.simulation.classes import DRIVEABLE_SURFACE, FREE
from effocc_ros.simulation.drive import Drive


def points_in_ego(drive, sweep):
    return transform_points(drive.rig.lidar.sensor2ego, sweep.points[:, :3].astype(np.float64))


def around(image, v, u):
    return np.array([image[v + b, u + a] for a in (-1, 0, 1) for b in (-1, 0, 1)])


@pytest.mark.parametrize("name", NUSCENES_CAMERAS)
def test_static_lidar_points_land_on_pixels_of_their_class(drive, key, key_sweep, name):
    camera, stamp = drive.camera(name), dict(key.cameras)[name]
    view = drive.view(name, stamp)
    ego2camera = inverse_rigid(drive.ego2map(stamp) @ camera.sensor2ego) @ drive.ego2map(key.stamp)
    static = key_sweep.still
    x, y, z = transform_points(ego2camera, points_in_ego(drive, key_sweep)[static]).T
    u = np.round(camera.intrinsics[0, 0] * x / z + camera.intrinsics[0, 2]).astype(int)
    v = np.round(camera.intrinsics[1, 1] * y / z + camera.intrinsics[1, 2]).astype(int)
    height, width = camera.image_size
    seen = (z > 1) & (u >= 1) & (v >= 1) & (u < width - 1) & (v < height - 1)
    u, v, z, label = u[seen], v[seen], z[seen], key_sweep.label[static][seen]
    assert len(z) > 500
    # The camera sits elsewhere than the LiDAR: what hides a point from it is nearer.
    visible = around(view.depth, v, u).min(axis=0) > z - 0.3
    assert visible.mean() > 0.6
    labels = around(view.labels, v, u)[:, visible]
    assert np.any(labels == label[visible], axis=0).mean() > 0.99
    assert (labels[4] == label[visible]).mean() > 0.95


def test_static_lidar_points_fall_in_occupied_voxels_of_their_class():
    # A voxel on the edge of two classes carries one of them and holds points of both, which is
    # all that is wrong here: no labels could do better than give each voxel the class of most of
    # the sweep's points in it.
    scene = Drive(seed=7, duration_s=19.55, image_size=(99, 176))
    label, found, best = [], [], 0
    for moment in [instant for instant in scene.instants() if instant.keyframe][::8]:
        turn, labels = scene.sweep(moment.stamp), scene.labels(moment.stamp)
        index, inside = OCC3D_GRID.index(points_in_ego(scene, turn))
        chosen = inside & turn.still
        label.append(turn.label[chosen])
        found.append(labels[tuple(index[chosen].T)])
        voxel = np.ravel_multi_index(tuple(index[chosen].T), labels.shape)
        votes = np.bincount(voxel * (FREE + 1) + label[-1], minlength=labels.size * (FREE + 1))
        best += votes.reshape(-1, FREE + 1).max(axis=1).sum()
    label, found = np.concatenate(label), np.concatenate(found)
    assert len(label) > 80_000
    assert (found == label).mean() > best / len(label) - 0.015
    assert (found == label).mean() > 0.965
    assert (found != FREE).mean() > 0.998


def test_a_sweep_has_the_size_and_the_layout_of_a_nuscenes_sweep(key_sweep):
    points = key_sweep.points
    assert points.dtype == np.float32
    assert len(points) == 34_688
    assert 18_000 < (key_sweep.label != FREE).sum() < 34_000
    assert points[:, 3].min() >= 0
    assert points[:, 3].max() <= 255
    assert set(np.unique(points[:, 4])) == set(range(32))
    assert np.linalg.norm(points[:, :3], axis=1).max() < 100.5
    np.testing.assert_array_equal(points[:64, 4], np.tile(np.arange(32), 2))
    road = key_sweep.label == DRIVEABLE_SURFACE
    np.testing.assert_allclose(np.median(points[road, 2]), -1.84, atol=0.4)


def test_the_motion_of_the_car_is_taken_out_of_a_sweep(drive, key_sweep, key):
    lidar2map = drive.ego2map(key.stamp) @ drive.rig.lidar.sensor2ego
    points = transform_points(lidar2map, key_sweep.points[key_sweep.still, :3].astype(float))
    rays = (points - lidar2map[:3, 3]).astype(np.float32)
    origin = lidar2map[:3, 3].astype(np.float32)
    static = drive.street.static
    share = static.distance(static.faces(origin, rays), origin, rays)
    error = np.abs(share - 1) * np.linalg.norm(rays, axis=1)
    assert (error < 0.05).mean() > 0.93  # the rest is hidden from where the turn ended
    assert np.median(error) < 0.015


def test_pictures_carry_light_and_texture(drive, key):
    for name, stamp in key.cameras:
        picture = drive.picture(name, stamp)
        assert picture.shape == (198, 352, 3)
        assert picture.dtype == np.uint8
        assert picture.std() > 20
        assert 40 < picture.mean() < 210


def test_an_agent_appears_in_the_voxels_where_it_is(drive, key, key_labels):
    map2ego = inverse_rigid(drive.ego2map(key.stamp))
    found = 0
    for agent in drive.street.agents:
        shape, pose = agent.at((key.stamp - drive.instants()[0].stamp) / 1e9 + 0.05)
        place = (map2ego @ pose)[:3, 3] + [0, 0, 0.9]
        index, inside = OCC3D_GRID.index(place[None])
        x, y, z = index[0]
        if inside[0] and 5 < x < 195 and 5 < y < 195:
            box = key_labels[x - 3 : x + 4, y - 3 : y + 4, z - 2 : z + 3]
            assert (box == shape.mesh.label[0]).any()
            found += 1
    assert found >= 5
