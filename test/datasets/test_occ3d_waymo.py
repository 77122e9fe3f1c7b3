# SPDX-License-Identifier: Apache-2.0
import pickle

import numpy as np
import pytest
from helpers.waymo_tree import (
    GRAY,
    PINHOLE,
    camera_infos,
    labels_arrays,
    make_waymo,
)

from effocc_ros.datasets.benchmarks import open_dataset
from effocc_ros.datasets.check import check_waymo
from effocc_ros.datasets.occ3d_waymo import CAMERAS, read_labels
from effocc_ros.datasets.waymo_cameras import pinhole, read_cameras
from effocc_ros.errors import InputError
from effocc_ros.geometry import rigid


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_waymo(tmp_path_factory.mktemp("waymo"))


def waymo(root, **options):
    return open_dataset("occ3d_waymo", root, **options)


def test_free_is_23_in_the_files_and_15_here_and_masks_are_joined(root):
    labels = waymo(root)[0].truth
    assert np.argwhere(labels.semantics != 15).tolist() == [[10, 20, 3]]
    assert (labels.mask_lidar.sum(), labels.mask_camera.sum()) == (100 * 3200, 50 * 3200)
    assert labels.mask_camera[50:100].all()


def test_frames_come_scene_by_scene_and_every_nth_can_be_taken(root):
    assert [waymo(root)[i].token for i in range(6)] == [
        f"0{scene:03d}{frame:03d}" for scene in (0, 1) for frame in (0, 1, 2)
    ]
    assert [path.name for path in waymo(root, interval=4).files] == ["000_04.npz", "001_04.npz"]


def test_each_camera_gets_its_image_though_the_folders_are_in_another_order(root):
    frame = waymo(root)[1].frame
    assert [camera.name for camera in frame.cameras] == list(CAMERAS)
    grays = [int(camera.image.mean().round()) for camera in frame.cameras]
    assert grays == [
        GRAY[name] for name in ("image_0", "image_1", "image_3", "image_2", "image_4")
    ]
    assert [camera.sensor2ego[0, 3] for camera in frame.cameras] == [0, 1, 2, 3, 4]


def test_points_are_x_y_z_intensity_elongation_in_the_vehicle_frame(root):
    cloud = waymo(root)[1].frame.cloud
    assert cloud.points.tolist() == [[100, 101, 102, 103, 104], [106, 107, 108, 109, 110]]
    np.testing.assert_array_equal(cloud.sensor2ego, np.eye(4))


def test_a_camera_looks_forward_whether_or_not_waymos_axes_are_in_its_intrinsics(root, tmp_path):
    point = np.array([10.0, 1.0, 2.0, 1.0])
    combined = waymo(root)[0].frame.camera("FRONT")
    pixel = combined.intrinsics @ (np.linalg.inv(combined.sensor2ego) @ point)[:3]
    # The images are shrunk to 12 of 1920 pixels, and so is the matrix.
    scale = 12 / 1920
    expected = [[2000 * scale, 0, 960.5 * scale - 0.5], [0, 2000 * scale, 640.5 * scale - 0.5]]
    np.testing.assert_allclose(combined.intrinsics[:2], expected, atol=1e-9)
    # Ten metres ahead; one to the left is 200 pixels to the left in the whole image.
    whole = (pixel / pixel[2] + 0.5) / scale - 0.5
    np.testing.assert_allclose(whole[:2], (760.0, 640.0), atol=1e-6)
    assert pixel[2] == pytest.approx(10.0)
    plain = waymo(make_waymo(tmp_path, 1, 1, combined=False))[0].frame.camera("FRONT")
    np.testing.assert_allclose(plain.intrinsics, combined.intrinsics)
    np.testing.assert_allclose(plain.sensor2ego, rigid((1, 0, 0, 0), (0.0, 0.0, 2.0)))


def test_a_projection_is_split_into_pinhole_and_turn():
    turn = rigid((0.3, 0.5, -0.7, 0.1), (0, 0, 0))
    upper, found = pinhole(PINHOLE @ turn[:3, :3])
    np.testing.assert_allclose(upper, PINHOLE, atol=1e-9)
    np.testing.assert_allclose(found, turn, atol=1e-12)
    with pytest.raises(ValueError, match="mirror"):
        pinhole(PINHOLE @ np.diag([-1.0, 1.0, 1.0]))


def test_all_share_one_pose_and_stamps_count_from_the_scenes_start(root):
    frame = waymo(root)[2].frame
    assert frame.ego2global[0, 3] == 102.0
    assert all(camera.ego2global[0, 3] == 102.0 for camera in frame.cameras)
    assert frame.stamp == 200_000_000


def test_label_budgets_go_by_scene(root):
    teacher = waymo(root, labeled_fraction=0.5)
    student = waymo(root, labeled_fraction=0.5, unlabeled=True, cameras=(), lidar=False)
    assert (len(teacher), len(student)) == (3, 6)
    assert sum(student[i].labeled for i in range(6)) == 3
    assert [student.is_labeled(i) for i in range(6)] == [student[i].labeled for i in range(6)]


def test_a_label_between_the_classes_and_free_is_refused(tmp_path):
    arrays = labels_arrays()
    arrays["voxel_label"][0, 0, 0] = 16
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=r"a\.npz"):
        read_labels(tmp_path / "a.npz")


def test_a_frame_without_calibration_is_named(root, tmp_path):
    (tmp_path / "voxel04").symlink_to(root / "voxel04")
    (tmp_path / "kitti_format").symlink_to(root / "kitti_format")
    infos = camera_infos(2, 3, True)
    del infos[1][2]
    (tmp_path / "cam_infos.pkl").write_bytes(pickle.dumps(infos))
    with pytest.raises(InputError, match="no scene 1, frame 2"):
        waymo(tmp_path)[5]


@pytest.mark.parametrize("field", ["intrinsics", "sensor2ego"])
def test_a_camera_without_a_matrix_is_named(tmp_path, field):
    root = make_waymo(tmp_path, 1, 1)
    infos = camera_infos(1, 1, True)
    del infos[0][0][3][field]
    (root / "cam_infos.pkl").write_bytes(pickle.dumps(infos))
    with pytest.raises(InputError, match=rf"cam_infos\.pkl.*{field}"):
        waymo(root)


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("ran",)

    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises(InputError, match=r"builtins\.print"):
        read_cameras(tmp_path / "a.pkl")


def test_pickles_of_numpy_1_open_too(tmp_path):
    data = pickle.dumps(camera_infos(1, 1, True), protocol=2)
    old = data.replace(b"numpy._core.", b"numpy.core.")
    assert old != data or b"numpy.core." in data
    both = []
    for name, content in (("new", data), ("old", old)):
        (tmp_path / name).write_bytes(content)
        both.append(read_cameras(tmp_path / name).intrinsics)
    np.testing.assert_array_equal(*both)


@pytest.mark.parametrize("field", ["intrinsics", "sensor2ego", "ego2global"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 2.0])
def test_matrices_that_are_none_are_refused(tmp_path, field, value):
    infos = camera_infos(1, 1, True)
    infos[0][0][0][field] = np.diag([1.0, value, value, 1.0])
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(infos))
    if (field, value) == ("intrinsics", 2.0):  # a camera with axes of its own
        assert read_cameras(tmp_path / "a.pkl").rows
        return
    with pytest.raises(InputError, match=r"a\.pkl: found scene 0, frame 0: "):
        read_cameras(tmp_path / "a.pkl")


def test_what_is_missing_is_found(root):
    findings = {finding.what: finding for finding in check_waymo(root)}
    assert findings["labels of split train"].complete
    assert findings["cam_infos.pkl"].complete
    assert findings["image_3 of split train"].complete
    assert not findings["labels of split val"].complete
    assert not findings["labels of split val"].needed
