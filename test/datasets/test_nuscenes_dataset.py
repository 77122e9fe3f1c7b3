# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from helpers.drives import (
    POINTS,
    SCENES,
    VERSION,
    labels_path,
    make_drives,
    read_table,
    token,
    write_labels,
    write_table,
)
from torch.utils.data import DataLoader

from effocc_ros.datasets.benchmarks import label_space, open_dataset
from effocc_ros.datasets.nuscenes_frames import SweepChoice
from effocc_ros.errors import InputError
from effocc_ros.frame import NUSCENES_CAMERAS

MANY = ("scene-0061", "scene-0553", "scene-0655", "scene-0757")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_drives(tmp_path_factory.mktemp("drives") / "nuscenes", sweeps=9)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return make_drives(tmp_path_factory.mktemp("many") / "nuscenes", MANY, keyframes=1, sweeps=0)


def occ3d(root, split="mini_train", **options):
    return open_dataset("occ3d_nuscenes", root, split, **options)


def test_a_split_holds_its_scenes_in_the_order_of_time(root):
    assert [sample.token for sample in occ3d(root).samples] == [
        token(SCENES[0], k) for k in (0, 1)
    ]
    assert {sample.scene for sample in occ3d(root, "mini_val").samples} == {SCENES[1]}
    assert len(occ3d(root, "all", version=VERSION)) == 4


def test_a_sample_holds_frame_labels_and_masks(root):
    sample = occ3d(root)[1]
    assert (sample.token, sample.scene) == (token(SCENES[0], 1), SCENES[0])
    assert sample.frame.inputs == (*NUSCENES_CAMERAS, "LIDAR_TOP")
    assert sample.labels[101, 120, 5] == 4
    assert sample.mask_lidar[:, 100:].all()
    assert not sample.mask_camera[:, 100:].any()
    assert sample.labeled
    assert sample.space is label_space("occ3d_nuscenes")


def test_the_cloud_is_the_key_sweep_and_the_nine_newest_before_it(root):
    frame = occ3d(root)[1].frame
    lags = np.unique(frame.cloud.points[:, 4])
    np.testing.assert_allclose(lags, np.arange(10) * 0.05, atol=1e-6)
    assert (frame.cloud.points[:POINTS, 4] == 0).all()


def test_sweeps_can_be_drawn_at_random_from_a_seed(root):
    def lags(seed, epoch=0):
        dataset = occ3d(root, sweeps=SweepChoice(3, drawn_from=10, seed=seed))
        dataset.epoch = epoch
        return tuple(np.unique(dataset[1].frame.cloud.points[:, 4]).round(2).tolist())

    assert lags(0) == lags(0)
    assert len({lags(seed) for seed in range(6)} | {lags(0, epoch) for epoch in range(6)}) > 4
    assert all(len(lags(seed)) == 4 for seed in range(3))


def test_sweeps_that_are_not_on_disk_are_left_out_and_said_once(tmp_path, caplog):
    root = make_drives(tmp_path / "drives", SCENES[:1], keyframes=1)
    files = sorted((root / "sweeps/LIDAR_TOP").iterdir())
    for path in files[1:]:
        path.unlink()
    assert len(occ3d(root, sweeps=SweepChoice(0))[0].frame.cloud.points) == POINTS
    assert caplog.text == ""
    lags = {round(float(lag), 3) for lag in occ3d(root)[0].frame.cloud.points[:, 4]}
    assert len(lags) == 2
    files[0].unlink()
    occ3d(root)[0]
    (said,) = caplog.messages
    assert "earlier LiDAR sweeps are absent" in said
    assert "sweeps/LIDAR_TOP" in said


def test_sensors_that_are_not_wanted_are_not_read(root):
    frame = occ3d(root, cameras=("CAM_BACK", "CAM_FRONT"), lidar=False)[0].frame
    assert frame.inputs == ("CAM_BACK", "CAM_FRONT")
    assert occ3d(root, cameras=())[0].frame.inputs == ("LIDAR_TOP",)
    # The labels stand in the LiDAR's ego frame all the same.
    assert frame.stamp == occ3d(root).samples[0].stamp


def test_a_teacher_sees_the_labeled_scenes_only_a_student_all_with_a_flag(many):
    teacher = occ3d(many, labeled_fraction=0.5)
    student = occ3d(many, labeled_fraction=0.5, unlabeled=True)
    assert len(teacher) == 2
    assert len(student) == 4
    labeled = {student[i].scene for i in range(4) if student[i].labeled}
    assert labeled == {sample.scene for sample in teacher.samples}
    hidden = next(student[i] for i in range(4) if not student[i].labeled)
    assert hidden.labels is hidden.mask_camera is hidden.mask_lidar is hidden.occupancy() is None
    assert hidden.frame.cloud is not None


def test_the_scenes_are_drawn_by_seed_42_from_the_sorted_tokens(many):
    tokens = sorted(token(scene) for scene in MANY)
    # random.seed(42); random.sample(tokens, 2) takes the first and the last.
    chosen = {sample.scene_token for sample in occ3d(many, labeled_fraction=0.5).samples}
    assert chosen == {tokens[0], tokens[3]}


def test_without_labels_only_frames_are_read(many):
    dataset = occ3d(many, with_labels=False, labels_root="/nowhere")
    assert dataset[0].labels is None
    assert not dataset[0].labeled


def test_labels_may_lie_elsewhere(root, tmp_path):
    write_labels(tmp_path / "gts" / SCENES[0] / token(SCENES[0], 0) / "labels.npz", seed=50)
    assert occ3d(root, labels_root=tmp_path / "gts")[0].labels[150, 120, 5] == 4


def test_openoccupancy_and_flow_labels_are_found_by_their_own_names(root, tmp_path):
    voxels = np.array([(1, 2, 3, 4), (1, 2, 4, 0)], np.uint8)
    lidar = occ3d(root).samples[0].lidar_token
    path = tmp_path / "o" / f"scene_{token(SCENES[0])}" / "occupancy" / f"{lidar}.npy"
    path.parent.mkdir(parents=True)
    np.save(path, voxels)
    dataset = open_dataset("openoccupancy", root, "mini_train", labels_root=tmp_path / "o")
    sample = dataset[0]
    assert (sample.labels[3, 2, 1], sample.labels[4, 2, 1]) == (4, 255)
    assert sample.mask_camera is None
    assert (sample.occupancy().frame_id, sample.occupancy().labels[4, 2, 1]) == ("LIDAR_TOP", 0)
    path = tmp_path / "f" / SCENES[0] / token(SCENES[0], 0) / "labels.npz"
    path.parent.mkdir(parents=True)
    np.savez(
        path,
        semantics=np.full((200, 200, 16), 16),
        flow=np.zeros((200, 200, 16, 2), np.float32),
    )
    dataset = open_dataset("openocc_flow", root, "mini_train", labels_root=tmp_path / "f")
    assert dataset[0].truth.flow.shape == (200, 200, 16, 2)


def test_worker_processes_read_the_same_samples(root):
    dataset = occ3d(root)
    loader = DataLoader(dataset, batch_size=None, num_workers=2)
    for ours, theirs in zip((dataset[0], dataset[1]), loader, strict=True):
        assert ours.token == theirs.token
        np.testing.assert_array_equal(ours.frame.cloud.points, theirs.frame.cloud.points)
        np.testing.assert_array_equal(ours.labels, theirs.labels)


def test_the_labels_are_the_occupancy_of_a_perfect_network(root):
    sample = occ3d(root)[0]
    labels = sample.occupancy()
    assert (labels.stamp, labels.frame_id) == (sample.frame.stamp, sample.frame.frame_id)
    assert labels.inputs == sample.frame.inputs
    np.testing.assert_array_equal(labels.labels, sample.labels)


@pytest.mark.parametrize("kind", ["image", "points", "labels", "gone"])
def test_a_broken_file_is_named(tmp_path, kind):
    root = make_drives(tmp_path / "drives", SCENES[:1], keyframes=1, sweeps=1)
    row = {
        row["filename"].split("/")[1]: root / row["filename"]
        for row in read_table(root, "sample_data")
    }
    path = {"image": row["CAM_BACK"], "points": row["LIDAR_TOP"], "gone": row["CAM_FRONT"]}.get(
        kind, labels_path(root, SCENES[0], 0)
    )
    if kind == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(InputError) as caught:
        occ3d(root)[0]
    assert caught.value.what == f"file {path}"


def with_calibration(root, factor, height):
    """Let the tables be those of images ``factor`` as wide and ``height`` pixels high."""
    rows = read_table(root, "sample_data")
    for row in rows:
        row |= {"height": height, "width": round(factor * row["width"])}
    write_table(root, "sample_data", rows)
    places = read_table(root, "calibrated_sensor")
    for place in places:
        matrix = np.array(place["camera_intrinsic"])
        if len(matrix):
            place["camera_intrinsic"] = (np.diag([factor, factor, 1]) @ matrix).tolist()
    write_table(root, "calibrated_sensor", places)
    return root


def test_intrinsics_are_those_of_an_image_that_was_shrunk(tmp_path):
    whole, shrunk = (make_drives(tmp_path / name, SCENES[:1], keyframes=1) for name in "ab")
    camera = occ3d(whole)[0].frame.cameras[0]
    with_calibration(shrunk, 4, 4 * camera.image.shape[0])
    seen = occ3d(shrunk)[0].frame.cameras[0].intrinsics
    np.testing.assert_allclose(seen[:2, :2], camera.intrinsics[:2, :2])
    np.testing.assert_allclose(seen[:2, 2], camera.intrinsics[:2, 2], atol=0.5)


def test_tables_of_another_aspect_ratio_are_refused_with_both_sizes(tmp_path):
    root = with_calibration(make_drives(tmp_path / "a", SCENES[:1], keyframes=1), 4, 400)
    with pytest.raises(InputError, match=r"beside intrinsics for 256x400") as caught:
        occ3d(root)[0]
    assert caught.value.reason == "size_mismatch"


def test_a_split_of_other_scenes_is_said(many):
    with pytest.raises(InputError) as caught:
        occ3d(many, "mini_val")
    assert caught.value.reason == "empty_split"


def test_a_sample_without_a_camera_is_named(tmp_path):
    root = make_drives(tmp_path / "drives", SCENES[:1], keyframes=1)
    dataset = occ3d(root, cameras=("CAM_FRONT", "CAM_UNDER"))
    with pytest.raises(InputError, match="CAM_UNDER"):
        dataset[0]


def test_an_unknown_benchmark_is_answered_with_those_that_are(root):
    with pytest.raises(InputError, match="occ3d_nuscenes, openoccupancy, openocc_flow, occ3d_w"):
        open_dataset("kitti", root)
