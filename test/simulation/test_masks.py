# SPDX-License-Identifier: Apache-2.0
import numpy as np

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.geometry import OCC3D_GRID, VoxelGrid, transform_points
from effocc_ros.simulation.masks import camera_mask, mark, one_per_voxel, traverse
from effocc_ros.simulation.rig import nuscenes_rig

GRID = VoxelGrid((-4.0, -3.0, -1.0), (0.4, 0.5, 0.2), (20, 12, 15))


def passed_by_small_steps(origin, end):
    """Voxels that a segment passes, found by walking along it in a thousand steps a metre."""
    count = int(np.linalg.norm(end - origin) * 1000) + 2
    points = origin + np.linspace(0, 1, count)[:, None] * (end - origin)
    index, inside = GRID.index(points)
    seen = np.zeros(GRID.shape, bool)
    first_outside = len(inside) if inside.all() else int(np.argmin(inside))
    seen[tuple(index[:first_outside].T)] = True
    return seen


def test_segments_pass_the_voxels_that_small_steps_find():
    rng = np.random.default_rng(4)
    origins = rng.uniform((-3.9, -2.9, -0.9), (3.9, 2.9, 1.9), (150, 3))
    ends = rng.uniform((-7, -5, -3), (7, 5, 4), (150, 3))
    slow = [passed_by_small_steps(*pair) for pair in zip(origins, ends, strict=True)]
    fast = [traverse(GRID, o[None], e[None]) for o, e in zip(origins, ends, strict=True)]
    # A corner cut by less than a millimetre escapes the small steps.
    missed = sum(int((s & ~f).sum()) for s, f in zip(slow, fast, strict=True))
    extra = sum(int((f & ~s).sum()) for s, f in zip(slow, fast, strict=True))
    assert missed == 0
    assert extra <= 6
    together = traverse(GRID, origins, ends)
    np.testing.assert_array_equal(together, np.any(fast, axis=0))


def test_a_segment_along_an_axis_passes_one_row():
    seen = traverse(GRID, np.array([[-3.9, 0.1, 0.1]]), np.array([[3.9, 0.1, 0.1]]))
    assert seen.sum() == 20
    assert seen[:, 6, 5].all()


def test_a_segment_from_outside_marks_nothing():
    assert not traverse(GRID, np.array([[-9.0, 0, 0]]), np.array([[0.0, 0, 0]])).any()


def test_one_point_of_each_voxel_is_kept_outside_of_the_grid_too():
    points = np.array([[0.1, 0, 0], [0.2, 0, 0], [0.5, 0, 0], [-90, 0, 0], [90, 0, 0.1]])
    kept = one_per_voxel(VoxelGrid((0.0, -1.0, -1.0), (0.4, 0.4, 0.4), (5, 5, 5)), points)
    np.testing.assert_array_equal(np.unique(kept, axis=0), points[[3, 0, 2, 4]])
    assert one_per_voxel(GRID, np.zeros((0, 3))).shape == (0, 3)


def test_cameras_observe_what_lies_on_the_way_to_what_their_pixels_see():
    place, wall = np.array([-3.9, 0.1, 0.1]), np.array([[1.1, 0.1, 0.1], [1.15, 0.12, 0.1]])
    everywhere = np.ones(GRID.shape, bool)
    seen = camera_mask(GRID, [(place, wall)], everywhere)
    assert seen[:13, 6, 5].all()
    assert seen.sum() == 13
    assert not camera_mask(GRID, [(place, wall)], ~everywhere).any()
    assert not camera_mask(GRID, [(place, np.zeros((0, 3)))], everywhere).any()


def test_a_shrunk_camera_looks_the_same_way():
    camera = nuscenes_rig((396, 704)).cameras[1]
    small = camera.shrunk(2)
    assert small.image_size == (198, 352)
    blocks = camera.rays.reshape(198, 2, 352, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(small.rays, blocks, atol=1e-6)


def test_masks_of_a_street_cover_what_sensors_see(drive, key, key_labels):
    by_lidar, by_camera = drive.masks(key.stamp, key_labels)
    assert not (by_camera & ~by_lidar).any()
    # Every surface in full-size pictures, on slopes and far away too.
    for camera in drive.rig.cameras:
        view = drive.view(camera.name, key.stamp)
        seen = np.isfinite(view.depth.ravel())
        points = (camera.columns[:, seen] * view.depth.ravel()[seen]).T
        in_picture = mark(OCC3D_GRID, transform_points(camera.sensor2ego, points)) & by_lidar
        assert by_camera[in_picture].mean() > 0.88


def test_cameras_see_neither_above_the_car_nor_through_walls(drive, key, key_labels):
    by_lidar, by_camera = drive.masks(key.stamp, key_labels)
    assert not by_camera[98:102, 98:102, 8:].any()
    occupied = key_labels != OCC3D_NUSCENES.free
    assert 0.3 < by_camera[occupied & by_lidar].mean() < 0.95
