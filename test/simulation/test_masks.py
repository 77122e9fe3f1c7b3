import numpy as np
import pytest

from effocc_ros.geometry import VoxelGrid
from effocc_ros.simulation.masks import camera_mask, traverse
from effocc_ros.simulation.rig import nuscenes_rig

GRID = VoxelGrid((-4.0, -3.0, -1.0), (0.4, 0.5, 0.2), (20, 12, 15))


def passed_by_small_steps(origin, end, blocked=None):
    """Voxels that a segment passes, found by walking along it in a thousand steps a metre."""
    count = int(np.linalg.norm(end - origin) * 1000) + 2
    points = origin + np.linspace(0, 1, count)[:, None] * (end - origin)
    index, inside = GRID.index(points)
    seen = np.zeros(GRID.shape, bool)
    for place, is_inside in zip(map(tuple, index), inside, strict=True):
        if not is_inside:
            break
        seen[place] = True
        if blocked is not None and blocked[place]:
            break
    return seen


@pytest.mark.parametrize("with_obstacles", [False, True])
def test_segments_pass_the_voxels_that_small_steps_find(with_obstacles):
    rng = np.random.default_rng(4)
    blocked = rng.random(GRID.shape) < 0.05 if with_obstacles else None
    origins = rng.uniform((-3.9, -2.9, -0.9), (3.9, 2.9, 1.9), (150, 3))
    ends = rng.uniform((-7, -5, -3), (7, 5, 4), (150, 3))
    slow = [passed_by_small_steps(*pair, blocked) for pair in zip(origins, ends, strict=True)]
    fast = [traverse(GRID, o[None], e[None], blocked) for o, e in zip(origins, ends, strict=True)]
    # A corner cut by less than a millimetre escapes the small steps.
    missed = sum(int((s & ~f).sum()) for s, f in zip(slow, fast, strict=True))
    extra = sum(int((f & ~s).sum()) for s, f in zip(slow, fast, strict=True))
    assert missed == 0
    assert extra <= (8 if with_obstacles else 6)
    together = traverse(GRID, origins, ends, blocked)
    np.testing.assert_array_equal(together, np.any(fast, axis=0))


def test_a_segment_along_an_axis_passes_one_row():
    seen = traverse(GRID, np.array([[-3.9, 0.1, 0.1]]), np.array([[3.9, 0.1, 0.1]]))
    assert seen.sum() == 20
    assert seen[:, 6, 5].all()


def test_a_segment_from_outside_marks_nothing():
    assert not traverse(GRID, np.array([[-9.0, 0, 0]]), np.array([[0.0, 0, 0]])).any()


def test_a_camera_does_not_observe_what_is_behind_a_wall():
    grid = VoxelGrid((-10.0, -10.0, -1.0), (0.4, 0.4, 0.4), (50, 50, 16))
    occupied = np.zeros(grid.shape, bool)
    occupied[40, 15:35, :] = True
    occupied[45, 15:35, :] = True
    front = [camera for camera in nuscenes_rig().cameras if camera.name == "CAM_FRONT"]
    seen = camera_mask(grid, occupied, front, np.ones(grid.shape, bool))
    assert seen[40, 23:27, 6].all()
    assert seen[35, 24:26, 6].all()
    assert not seen[41:, 20:30].any()
    assert not seen[:25].any()
    assert not camera_mask(grid, occupied, front, np.zeros(grid.shape, bool)).any()


def test_cameras_observe_what_small_steps_to_each_voxel_in_the_picture_find():
    rng = np.random.default_rng(6)
    occupied = rng.random(GRID.shape) < 0.03
    cameras = nuscenes_rig((90, 160)).cameras
    by_lidar = rng.random(GRID.shape) < 0.9
    slow = np.zeros(GRID.shape, bool)
    for center in GRID.centers(np.argwhere(occupied)):
        for camera in cameras:
            x, y, z = (center - camera.sensor2ego[:3, 3]) @ camera.sensor2ego[:3, :3]
            u, v, _ = camera.intrinsics @ (x / z, y / z, 1)
            if z > 0.1 and -0.5 < u < 159.5 and -0.5 < v < 89.5:
                slow |= passed_by_small_steps(camera.sensor2ego[:3, 3], center, occupied)
    fast = camera_mask(GRID, occupied, cameras, by_lidar)
    assert fast.sum() > 150
    assert not (slow & by_lidar & ~fast).any()
    assert (fast & ~slow).sum() <= 8  # corners cut by less than a millimetre
    assert not (fast & ~by_lidar).any()


def test_masks_of_a_street_cover_what_sensors_see(drive, key, key_labels):
    by_lidar, by_camera = drive.masks(key.stamp, key_labels)
    occupied = key_labels != 17
    assert not (by_camera & ~by_lidar).any()
    assert 0.1 < by_lidar[occupied].mean() < 0.95
    assert 0.02 < by_camera[~occupied].mean() < 0.4
    road_ahead = key_labels[110:130, 94:98, 2]
    assert by_lidar[110:130, 94:98, 2][road_ahead == 11].mean() > 0.5
