# SPDX-License-Identifier: Apache-2.0
"""Bags of other people, and the real nuScenes frame, where the machine has them."""

import json

import numpy as np
import pytest
from helpers.real_frame import FOLDER, LIDAR_STAMP, make_real_frame_bag
from helpers.tiny_model import make_tiny_checkpoint

from effocc_ros.bags.process import ProcessOptions, process_bag
from effocc_ros.bags.reader import BagReader
from effocc_ros.errors import InputError
from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.geometry import rigid

BAGS = {
    "rosbag2_bags/mcap_cdr_test": (2, 7),
    "rosbag2_bags/sqlite3_cdr_test": (2, 7),
    "rosbag2_bags/mcap_talker": (3, 20),
    "rosbag2_bags/sqlite3_talker": (3, 20),
    "rosbags_rs_bags/test_bag_mcap": (94, 188),
    "rosbags_rs_bags/test_bag_sqlite3": (94, 188),
    "amber_soccer_goal/soccer_goal_12.mcap": (1, 2),
}


@pytest.mark.parametrize("name", BAGS)
def test_a_recorded_bag_is_read_whole_and_every_message_decoded(data_dir, name):
    topics, count = BAGS[name]
    with BagReader(data_dir / name) as bag:
        messages = list(bag.recorded())
        assert (len(bag.topics), len(messages), bag.message_count) == (topics, count, count)
        times = [message.log_time for message in messages]
        assert times == sorted(times)
        assert (times[0], times[-1]) == (bag.start_time, bag.end_time)
        for message in messages:
            assert message.decode().__msgtype__ == message.msgtype


def test_both_storages_of_the_same_recording_hold_the_same_bytes(data_dir):
    with (
        BagReader(data_dir / "rosbag2_bags/mcap_talker") as mcap,
        BagReader(data_dir / "rosbag2_bags/sqlite3_talker") as sqlite,
    ):
        pairs = zip(mcap.messages(["/topic"]), sqlite.messages(["/topic"]), strict=True)
        assert all(bytes(one.raw) == bytes(other.raw) for one, other in pairs)


def test_images_compressed_message_by_message_are_whole(data_dir):
    with BagReader(data_dir / "amber_soccer_goal/soccer_goal_12.mcap") as bag:
        assert bag.topics["/camera/image_raw"].msgtype == "sensor_msgs/msg/Image"
        for message in bag.messages():
            image = message.decode()
            assert len(image.data) == image.height * image.step > 0


def test_a_bag_with_one_of_thirteen_parts_is_refused(data_dir):
    with pytest.raises(InputError, match="1 of the 13 parts") as caught:
        BagReader(data_dir / "amber_soccer_goal")
    assert "soccer_goal_12.mcap" in caught.value.do


@pytest.fixture(scope="module")
def real_bag(data_dir, tmp_path_factory):
    return make_real_frame_bag(data_dir, tmp_path_factory.mktemp("real") / "bag")


def test_the_real_frame_becomes_a_bag_with_its_own_bytes(data_dir, real_bag):
    folder = data_dir / FOLDER
    with BagReader(real_bag) as bag:
        assert bag.end_time == LIDAR_STAMP
        assert bag.topics["/tf"].count == 7
        images = [m for m in bag.messages() if m.topic.endswith("image_rect_compressed")]
        assert len(images) == 6
        for message in images:
            channel = message.topic.split("/")[1]
            (file,) = folder.glob(f"*__{channel}__{message.log_time // 1000}.jpg")
            assert message.decode().data.tobytes() == file.read_bytes()
        (cloud,) = bag.messages(["/LIDAR_TOP"])
        (file,) = folder.glob("*.pcd.bin")
        assert cloud.decode().data.tobytes() == file.read_bytes()


def test_the_real_frames_calibration_survives_the_way_through_the_bag(data_dir, real_bag):
    calibration = json.loads((data_dir / FOLDER / "calib.json").read_text())
    with BagReader(real_bag) as bag:
        infos = {
            m.topic.split("/")[1]: m.decode()
            for m in bag.messages()
            if m.topic.endswith("camera_info")
        }
        (static,) = bag.messages(["/tf_static"])
        places = {t.child_frame_id: matrix_of(t) for t in static.decode().transforms}
    cameras = calibration["cameras"]
    assert set(places) == {"LIDAR_TOP", *cameras}
    np.testing.assert_allclose(places["LIDAR_TOP"], calibration["lidar"]["lidar2ego"], atol=1e-6)
    for name, camera in cameras.items():
        np.testing.assert_allclose(places[name], camera["cam2ego"], atol=1e-9)
        np.testing.assert_array_equal(infos[name].k.reshape(3, 3), camera["intrinsics"])


def matrix_of(transform) -> np.ndarray:
    t, q = transform.transform.translation, transform.transform.rotation
    return rigid((q.w, q.x, q.y, q.z), (t.x, t.y, t.z))


def test_the_real_frame_is_processed_with_all_its_sensors(real_bag, tmp_path):
    model = make_tiny_checkpoint(tmp_path / "tiny.safetensors")
    options = ProcessOptions(model=str(model), device="cpu")
    result = process_bag(real_bag, tmp_path / "out", options)
    assert (result.frames_in, result.frames_out, dict(result.rejected)) == (1, 1, {})
    with BagReader(tmp_path / "out") as bag:
        occupancy = next(bag.messages(["/effocc/occupancy"])).decode()
    stamp = occupancy.header.stamp
    assert stamp.sec * 10**9 + stamp.nanosec == LIDAR_STAMP
    assert set(occupancy.inputs) == {*NUSCENES_CAMERAS, "LIDAR_TOP"}
