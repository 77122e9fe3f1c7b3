# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.drives import SCENES, make_drives
from helpers.sensor_messages import decode_image
from helpers.small_nuscenes import (
    INTRINSICS,
    JPEG,
    SCENE,
    START_US,
    VERSION,
    make_small_nuscenes,
    read_table,
    write_table,
)

from effocc_ros.bags.nuscenes import (
    MountedSensor,
    PoseEvent,
    SensorEvent,
    nuscenes_to_bag,
    write_nuscenes_bag,
)
from effocc_ros.bags.reader import BagReader
from effocc_ros.cli import main
from effocc_ros.datasets.files import read_image
from effocc_ros.errors import InputError


@pytest.fixture
def root(tmp_path):
    return make_small_nuscenes(tmp_path / "nuscenes")


def convert(root, **options):
    path = root.parent / "bag"
    nuscenes_to_bag(root, path, version=VERSION, scene=SCENE, **options)
    with BagReader(path) as bag:
        return [(m.topic, m.log_time // 1000 - START_US, m.decode()) for m in bag.recorded()]


def refused(root) -> InputError:
    with pytest.raises(InputError) as caught:
        convert(root)
    assert [path.name for path in root.parent.iterdir()] == ["nuscenes"]
    return caught.value


def test_samples_and_sweeps_come_in_the_order_of_time_each_after_its_ego_pose(root):
    assert [message[:2] for message in convert(root)] == [
        ("/tf_static", 0),
        ("/tf", 0),
        ("/LIDAR_TOP", 0),
        ("/tf", 40_000),
        ("/CAM_FRONT/camera_info", 40_000),
        ("/CAM_FRONT/image_rect_compressed", 40_000),
        ("/tf", 45_000),
        ("/tf", 50_000),
        ("/LIDAR_TOP", 50_000),
        ("/tf", 120_000),
        ("/CAM_FRONT/camera_info", 120_000),
        ("/CAM_FRONT/image_rect_compressed", 120_000),
    ]


def test_keyframes_alone_can_be_asked_for(root):
    topics = [topic for topic, _, _ in convert(root, sweeps=False)]
    assert topics.count("/LIDAR_TOP") == 1
    assert topics.count("/CAM_FRONT/image_rect_compressed") == 1
    assert topics.count("/tf") == 5


def test_jpeg_bytes_pass_through_unchanged_under_their_own_stamp_and_frame(root):
    image = next(m for topic, _, m in convert(root) if topic.endswith("image_rect_compressed"))
    assert image.data.tobytes() == JPEG % 1
    assert image.format == "jpeg"
    assert image.header.frame_id == "CAM_FRONT"
    assert image.header.stamp.sec * 10**6 + image.header.stamp.nanosec // 1000 == START_US + 40_000


def test_points_are_x_y_z_intensity_ring_in_float32(root):
    cloud = [m for topic, _, m in convert(root) if topic == "/LIDAR_TOP"][1]
    assert [(f.name, f.offset, f.datatype) for f in cloud.fields] == [
        ("x", 0, 7),
        ("y", 4, 7),
        ("z", 8, 7),
        ("intensity", 12, 7),
        ("ring", 16, 7),
    ]
    assert (cloud.width, cloud.point_step, cloud.header.frame_id) == (3, 20, "LIDAR_TOP")
    assert cloud.data.view("<f4").tolist() == list(range(15))


def test_the_camera_is_described_and_every_sensor_placed(root):
    messages = convert(root)
    info = next(m for topic, _, m in messages if topic.endswith("camera_info"))
    assert info.k.reshape(3, 3).tolist() == INTRINSICS
    assert (info.height, info.width) == (900, 1600)
    places = messages[0][2].transforms
    assert [(t.header.frame_id, t.child_frame_id, t.transform.translation.x) for t in places] == [
        ("base_link", "LIDAR_TOP", 1.0),
        ("base_link", "CAM_FRONT", 0.0),
    ]


def test_every_ego_pose_is_on_tf_also_those_of_radars(root):
    poses = [m.transforms[0] for topic, _, m in convert(root) if topic == "/tf"]
    assert [t.transform.translation.x for t in poses] == [0.0, 0.4, 0.45, 0.5, 1.2]
    assert {(t.header.frame_id, t.child_frame_id) for t in poses} == {("map", "base_link")}


@pytest.mark.parametrize("leave", [Path.unlink, lambda file: file.write_bytes(b"")])
def test_keyframes_that_were_not_downloaded_are_said_and_left_out(root, caplog, leave):
    whole = convert(root)
    (root.parent / "bag").rename(root.parent / "whole")
    leave(root / "samples/CAM_FRONT/1.jpg")
    assert len(convert(root)) == len(whole) - 2
    assert f"1 of 2 keyframes of {SCENE} are absent, for example {root}" in caplog.text


def test_a_scene_of_which_nothing_was_downloaded_is_refused(root):
    for file in root.rglob("*.*"):
        if file.is_file() and file.suffix != ".json":
            file.unlink()
    error = refused(root)
    assert error.found.startswith("none of its 4 files, for example")
    assert "--scene" in error.do


def test_the_first_scene_whose_keyframes_are_all_there_is_taken(tmp_path, capsys):
    root = make_drives(tmp_path / "drives", keyframes=1)
    bag = str(tmp_path / "bag")
    next(f for f in sorted((root / "samples/CAM_BACK").iterdir())).unlink()
    assert main(["nuscenes2bag", str(root), bag]) == 0
    assert f"scene: {SCENES[1]}" in capsys.readouterr().out
    assert main(["nuscenes2bag", str(root), f"{bag}2", "--scene", SCENES[0]]) == 0


def test_files_between_keyframes_that_were_not_downloaded_are_said_and_left_out(root, caplog):
    whole = convert(root)
    (root.parent / "bag").rename(root.parent / "whole")
    (root / "sweeps/CAM_FRONT/4.jpg").unlink()
    part = convert(root)
    assert len(part) == len(whole) - 2
    assert f"1 of 2 files between keyframes of {SCENE} are absent" in caplog.text
    assert "--keyframes" in caplog.text


@pytest.mark.parametrize("kind", ["png", "tiff", "webp", "bmp"])
def test_images_may_be_of_every_kind_that_the_dataset_reads(root, kind):
    picture = np.full((9, 16, 3), 77, np.uint8)
    data = cv2.imencode(f".{kind}", picture)[1].tobytes()
    for file in (root / "samples/CAM_FRONT/1.jpg", root / "sweeps/CAM_FRONT/4.jpg"):
        file.write_bytes(data)
    assert (read_image(file) == 77).all()
    images = [m for topic, _, m in convert(root) if topic.endswith("compressed")]
    assert [image.format for image in images] == [kind, kind]
    assert (decode_image(images[0], "CAM_FRONT") == 77).all()


@pytest.mark.parametrize("data", [(JPEG % 4)[:-2], b"<html>not found</html>"])
def test_a_jpeg_that_is_cut_off_or_something_else_is_named(root, data):
    path = root / "sweeps/CAM_FRONT/4.jpg"
    path.write_bytes(data)
    error = refused(root)
    assert error.what == f"file {path}"
    page = data.startswith(b"<")
    found = "a web page of %d bytes" if page else "%d bytes that are no whole JPEG or PNG"
    assert error.found == found % len(data)


def test_a_lidar_file_of_a_wrong_length_is_named(root):
    (root / "samples/LIDAR_TOP/0.pcd.bin").write_bytes(bytes(59))
    error = refused(root)
    assert "samples/LIDAR_TOP/0.pcd.bin" in error.what
    assert error.found == "59 bytes"


@pytest.mark.parametrize("table", ["scene", "sample", "sensor", "ego_pose", "sample_data"])
def test_a_missing_table_is_named(root, table):
    path = root / VERSION / f"{table}.json"
    path.unlink()
    assert refused(root).what == f"nuScenes table {path}"


def test_a_broken_table_is_named(root):
    path = root / VERSION / "ego_pose.json"
    path.write_text('[{"token": ')
    assert refused(root).what == f"nuScenes table {path}"


def test_a_token_that_leads_nowhere_is_named(root):
    write_table(root, "ego_pose", read_table(root, "ego_pose")[1:])
    error = refused(root)
    assert error.what.startswith("sample_data data-0")
    assert error.found == "the token pose-0, which ego_pose.json does not have"


def test_a_row_without_a_field_is_named(root):
    rows = read_table(root, "sample_data")
    del rows[2]["filename"]
    write_table(root, "sample_data", rows)
    error = refused(root)
    assert error.what.endswith("sample_data.json, row 2 (token data-2), field filename")
    assert error.found == "no such field"


def test_an_unknown_scene_is_answered_with_those_that_are_there(root):
    with pytest.raises(InputError, match="scene-0001, scene-0002"):
        nuscenes_to_bag(root, root.parent / "bag", version=VERSION, scene="scene-0099")


def test_an_unknown_version_is_answered_with_those_that_are_there(root):
    with pytest.raises(InputError, match=r"versions there: v1\.0-tiny"):
        nuscenes_to_bag(root, root.parent / "bag", version="v1.0-mini")


def test_a_scene_without_data_is_said(root):
    write_table(root, "sample_data", [])
    assert refused(root).reason == "empty_scene"


def test_one_place_in_rows_that_differ_in_their_last_digits_is_one(root):
    places = read_table(root, "calibrated_sensor")
    x, y, z = places[1]["translation"]
    again = {**places[1], "token": "again", "translation": [x + 1e-12, y, z]}
    write_table(root, "calibrated_sensor", [*places, again])
    rows = read_table(root, "sample_data")
    rows[3]["calibrated_sensor_token"] = "again"
    write_table(root, "sample_data", rows)
    convert(root)


def test_two_places_of_one_sensor_are_refused(root):
    places = read_table(root, "calibrated_sensor")
    write_table(
        root,
        "calibrated_sensor",
        [*places, {**places[1], "token": "moved", "translation": [9.0, 0.0, 0.0]}],
    )
    rows = read_table(root, "sample_data")
    rows[3]["calibrated_sensor_token"] = "moved"
    write_table(root, "sample_data", rows)
    assert refused(root).reason == "two_calibrations"


def lidar() -> MountedSensor:
    return MountedSensor("LIDAR_TOP", np.eye(4))


def test_events_from_memory_become_the_same_kind_of_bag(tmp_path):
    points = np.array([[1, 2, 3, 40, 5], [6, 7, 8, 90, 10]], np.float64)
    events = [PoseEvent(10, np.eye(4)), SensorEvent(10, "LIDAR_TOP", points)]
    counts = write_nuscenes_bag(tmp_path / "bag", events, [lidar()])
    assert counts == {"/LIDAR_TOP": 1, "/tf": 1, "/tf_static": 1}
    with BagReader(tmp_path / "bag") as bag:
        (cloud,) = bag.messages(["/LIDAR_TOP"])
        assert cloud.decode().data.view("<f4").reshape(2, 5).tolist() == points.tolist()


def test_events_out_of_order_and_of_unknown_sensors_are_refused(tmp_path):
    poses = [PoseEvent(10, np.eye(4)), PoseEvent(9, np.eye(4))]
    with pytest.raises(InputError, match="stamp 9 ns after 10 ns"):
        write_nuscenes_bag(tmp_path / "bag", poses, [lidar()])
    with pytest.raises(InputError, match="sensor SONAR; expected one of LIDAR_TOP"):
        write_nuscenes_bag(tmp_path / "bag", [SensorEvent(1, "SONAR", b"")], [lidar()])
    assert list(tmp_path.iterdir()) == []


def test_a_camera_that_is_recalibrated_in_a_scene_keeps_both_intrinsics(root):
    rows = read_table(root, "calibrated_sensor")
    (camera,) = (row for row in rows if row["token"] == "place-CAM_FRONT")
    again = {**camera, "token": "again", "camera_intrinsic": [[900, 0, 800], *INTRINSICS[1:]]}
    write_table(root, "calibrated_sensor", [*rows, again])
    data = read_table(root, "sample_data")
    last = next(row for row in data if row["token"] == "data-4")
    last["calibrated_sensor_token"] = "again"
    write_table(root, "sample_data", data)
    infos = [m for topic, _, m in convert(root) if topic.endswith("camera_info")]
    assert [info.k[0] for info in infos] == [1000.0, 900.0]


def write_image(root, width, height):
    image = cv2.imencode(".jpg", np.zeros((height, width, 3), np.uint8))[1].tobytes()
    (root / "samples/CAM_FRONT/1.jpg").write_bytes(image)


def test_a_shrunk_image_keeps_the_size_that_its_intrinsics_are_for(root):
    write_image(root, 320, 180)
    info = next(m for topic, _, m in convert(root) if topic.endswith("camera_info"))
    assert (info.width, info.height, info.k[0]) == (1600, 900, 1000.0)


def test_an_image_that_its_intrinsics_are_not_of_is_refused(root):
    write_image(root, 320, 320)
    error = refused(root)
    assert error.found == "an image of 320x320 beside intrinsics for 1600x900"
