# SPDX-License-Identifier: Apache-2.0
"""The right rig is found for a bag, and what is missing is said."""

from dataclasses import replace

import numpy as np
import pytest
import yaml
from helpers.occupancy_bags import make_occupancy_bag
from helpers.toy_drive import PERIOD, START, drive, make_toy_bag

from effocc_ros.bags.messages import tf_message, transform_message
from effocc_ros.bags.reader import BagReader
from effocc_ros.bags.writer import BagWriter
from effocc_ros.cli import main
from effocc_ros.errors import InputError
from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.resources import resource_path
from effocc_ros.rig import LidarTopics, load_rig, rig_names
from effocc_ros.rig_check import BagContents, bag_contents, best_rig, problems
from effocc_ros.rig_draft import draft_rig
from effocc_ros.rig_guess import guess, present

PARENTS = {"base_link": "odom", "odom": "map", "CAM_FRONT": "base_link"}
ODD = {
    "/sensing/camera/front/image_raw": "sensor_msgs/msg/Image",
    "/sensing/camera/front/camera_info": "sensor_msgs/msg/CameraInfo",
    "/sensing/camera/rear_left/image_raw": "sensor_msgs/msg/Image",
    "/sensing/camera/front/depth": "sensor_msgs/msg/Image",
    "/velodyne_points": "sensor_msgs/msg/PointCloud2",
    "/velodyne_points/filtered": "sensor_msgs/msg/PointCloud2",
}


def nuscenes_contents(**changes):
    rig = load_rig("nuscenes")
    types = {rig.points: "sensor_msgs/msg/PointCloud2"}
    for camera in rig.cameras:
        types[camera.image] = "sensor_msgs/msg/CompressedImage"
        types[camera.camera_info] = "sensor_msgs/msg/CameraInfo"
    fields = {"types": types, "parents": {"base_link": "map"}, "periods": {"base_link": 0.02}}
    return BagContents(**{**fields, **changes})


def test_a_bag_of_our_own_has_the_rig_nuscenes(tmp_path):
    with BagReader(make_toy_bag(tmp_path / "drive", 3)) as bag:
        contents = bag_contents(bag)
    assert contents.periods["base_link"] == pytest.approx(0.1)
    assert contents.frames["/LIDAR_TOP"] == "LIDAR_TOP"
    rig, found = best_rig([load_rig(name) for name in rig_names()], contents)
    assert (rig.name, found) == ("nuscenes", [])


def test_of_two_rigs_with_the_same_topics_the_rate_of_the_pose_decides():
    rigs = [load_rig(name) for name in rig_names()]
    assert best_rig(rigs, nuscenes_contents())[0].name == "nuscenes"
    slow = nuscenes_contents(periods={"base_link": 0.5})
    assert best_rig(rigs, slow) == (load_rig("watonomous"), [])
    assert "the ego pose comes every 0.50 s" in problems(load_rig("nuscenes"), slow)[0]


def test_what_is_missing_and_what_is_of_another_type_is_named():
    contents = nuscenes_contents()
    del contents.types["/LIDAR_TOP"]
    contents.types["/CAM_BACK/image_rect_compressed"] = "sensor_msgs/msg/Image"
    assert problems(load_rig("nuscenes"), contents) == [
        "images of CAM_BACK: /CAM_BACK/image_rect_compressed has sensor_msgs/msg/Image, "
        "expected sensor_msgs/msg/CompressedImage",
        "points of LIDAR_TOP: no messages on /LIDAR_TOP",
    ]


@pytest.mark.parametrize(
    ("parents", "text"),
    [
        ({}, "tf: no transforms"),
        ({"rear_axle": "map"}, "base_frame: no base_link in tf, which has map, rear_axle"),
        ({"base_link": "odom"}, "fixed_frame: no map in tf; base_link has odom above it"),
    ],
)
def test_frames_that_tf_lacks_are_named(parents, text):
    assert problems(load_rig("nuscenes"), nuscenes_contents(parents=parents)) == [text]


def test_a_drafted_rig_fits_its_bag(tmp_path):
    contents = BagContents(ODD, PARENTS, {"base_link": 0.5})
    text = draft_rig(contents, "drive")
    values = yaml.safe_load(text)
    assert list(values["cameras"]) == ["CAM_FRONT", "CAM_BACK_LEFT"]
    assert set(values["cameras"]) < set(NUSCENES_CAMERAS)
    assert values["cameras"]["CAM_FRONT"]["camera_info"] == "/sensing/camera/front/camera_info"
    assert "camera_info" not in values["cameras"]["CAM_BACK_LEFT"]
    assert values["points"] == "/velodyne_points"
    assert (values["base_frame"], values["fixed_frame"]) == ("base_link", "map")
    file = tmp_path / "rig.yaml"
    file.write_text(text)
    assert problems(load_rig(file), contents) == []


def test_a_bag_without_sensors_makes_no_rig():
    with pytest.raises(InputError, match="found topics of std_msgs/msg/String"):
        draft_rig(BagContents({"/chatter": "std_msgs/msg/String"}, {}, {}), "chat")


@pytest.mark.parametrize(
    "topics",
    [
        {"/LIDAR_TOP"},
        {f"/CAM_FRONT/{what}" for what in ("image_rect_compressed", "camera_info")},
        {"/LIDAR_TOP", "/velodyne_points"},
        {"/LIDAR_TOP", "/camera/front/image_raw"},
    ],
    ids=["lidar", "camera", "two_lidars", "camera_without_info"],
)
def test_check_and_process_decide_alike(tmp_path, capsys, topics):
    bag = make_toy_bag(tmp_path / "whole", 2)
    with BagReader(bag) as reader, BagWriter(tmp_path / "part") as writer:
        for message in reader.recorded():
            for topic in topics | {"/tf", "/tf_static"}:
                same = topic == message.topic
                other = topic == "/velodyne_points" and message.topic == "/LIDAR_TOP"
                if same or other:
                    writer.write_raw(topic, message.msgtype, message.raw, message.log_time)
    part = str(tmp_path / "part")
    with BagReader(part) as reader:
        contents = bag_contents(reader)
    try:
        preset = guess(contents, part).rig.name in rig_names()
    except InputError:
        preset = False
    out = ["--out", str(tmp_path / "rig.yaml")]
    assert main(["rig", "check", part, *out]) == (0 if preset else 1)
    said = capsys.readouterr().out
    assert ("rig nuscenes fits" in said) == preset
    assert (tmp_path / "rig.yaml").exists() != preset


def test_the_verb_tells_the_rig_and_drafts_one_where_none_fits(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bag = str(make_toy_bag(tmp_path / "drive", 2))
    assert main(["rig", "check", bag]) == 0
    assert "rig nuscenes fits: 6 cameras, LiDAR, map" in capsys.readouterr().out
    assert main(["rig", "check", bag, "clynamen"]) == 1
    assert "no messages on /lidar_top" in capsys.readouterr().out
    assert not (tmp_path / "rig.yaml").exists()
    with BagReader(bag) as reader, BagWriter(tmp_path / "odd") as writer:
        for message in reader.messages(topics=("/LIDAR_TOP", "/tf", "/tf_static")):
            topic = message.topic.replace("/LIDAR_TOP", "/velodyne_points")
            writer.write_raw(topic, message.msgtype, bytes(message.raw), message.log_time)
    assert main(["rig", "check", str(tmp_path / "odd")]) == 1
    assert "wrote rig.yaml" in capsys.readouterr().out
    assert load_rig("rig.yaml").points == "/velodyne_points"
    assert main(["rig", "check", str(tmp_path / "odd")]) == 2
    assert "rig file rig.yaml: found a file of that name" in capsys.readouterr().err


def test_frames_behind_the_name_of_a_robot_are_drafted():
    parents = {
        "r1/base_link": "r1/odom",
        "r2/base_link": "r2/odom",
        "r2/lidar": "r2/base_link",
        "r1/lidar": "r1/base_link",
    }
    types = {"/r2/points": "sensor_msgs/msg/PointCloud2"}
    contents = BagContents(types, parents, {}, {"/r2/points": "r2/lidar"})
    values = yaml.safe_load(draft_rig(contents, "drive"))
    assert (values["base_frame"], values["fixed_frame"]) == ("r2/base_link", "r2/odom")


def test_each_camera_is_drafted_with_a_transport_that_it_has():
    types = {"/front/image_raw/compressed": "sensor_msgs/msg/CompressedImage"}
    for name in ("front_left", "front_right"):
        types[f"/{name}/image_raw"] = "sensor_msgs/msg/Image"
        types[f"/{name}/image_raw/compressed"] = "sensor_msgs/msg/CompressedImage"
    types["/rear/image_raw"] = "sensor_msgs/msg/Image"
    cameras = yaml.safe_load(draft_rig(BagContents(types, PARENTS, {}), "drive"))["cameras"]
    assert {name: camera["compressed"] for name, camera in cameras.items()} == {
        "CAM_FRONT_LEFT": True,
        "CAM_FRONT": True,
        "CAM_FRONT_RIGHT": True,
        "CAM_BACK": False,
    }


def test_a_bag_of_occupancy_has_no_lidar(tmp_path, capsys):
    bag = make_occupancy_bag(tmp_path / "occupancy", (START,))
    with BagReader(bag) as reader:
        assert "sensor_msgs/msg/PointCloud2" not in bag_contents(reader).types.values()
    for command in (["process", str(bag), str(tmp_path / "out")], ["rig", "check", str(bag)]):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert "found occupancy, as `effocc process` writes it, and no sensors" in said
        assert f"`effocc view {bag}`" in said


def test_a_bag_with_the_sensors_of_no_preset_is_not_compared_with_one(tmp_path, capsys):
    bag = make_toy_bag(tmp_path / "drive", 2)
    with BagReader(bag) as reader, BagWriter(tmp_path / "odd") as writer:
        for message in reader.messages(topics=("/LIDAR_TOP", "/tf", "/tf_static")):
            topic = message.topic.replace("/LIDAR_TOP", "/velodyne_points")
            writer.write_raw(topic, message.msgtype, bytes(message.raw), message.log_time)
    out = str(tmp_path / "rig.yaml")
    assert main(["rig", "check", str(tmp_path / "odd"), "--out", out]) == 1
    said = capsys.readouterr().out
    assert "no preset fits: the bag has the sensors of none" in said
    assert "does not fit" not in said
    assert f"--rig {out}, or rig:={out} for the launch files" in said


EGO = [("map", "base_link"), ("odom", "base_link")]


@pytest.mark.parametrize(
    "edges",
    [EGO, EGO[::-1], [("base_link", "map")], [("base_link", "odom"), ("map", "odom")]],
)
def test_the_fixed_frame_is_found_along_whatever_way_the_stream_finds(tmp_path, edges):
    with BagWriter(tmp_path / "drive") as writer:
        for sent in drive(2):
            if sent.topic != "/tf":
                writer.write(sent.topic, sent.message, sent.log_time)
        for stamp in (START, START + PERIOD):
            for parent, child in edges:
                edge = transform_message(stamp, parent, child, np.eye(4))
                writer.write("/tf", tf_message([edge]), stamp)
    with BagReader(tmp_path / "drive") as bag:
        assert problems(load_rig("nuscenes"), bag_contents(bag)) == []


def test_a_frame_of_a_rig_is_the_same_with_a_leading_slash(tmp_path):
    text = resource_path("config/rig/nuscenes.yaml").read_text()
    file = tmp_path / "own.yaml"
    file.write_text(text.replace(": base_link", ": /base_link").replace(": map", ": /map"))
    assert "fixed_frame: /map" in file.read_text()
    rig = load_rig(file)
    assert (rig.base_frame, rig.fixed_frame) == ("base_link", "map")


def test_without_the_first_lidar_the_next_one_that_is_there_makes_the_frames():
    rig = replace(
        load_rig("nuscenes"),
        points="/front",
        lidars=(LidarTopics("LEFT", "/left", 0.5), LidarTopics("REAR", "/rear")),
    )
    types = {"/left": "sensor_msgs/msg/PointCloud2", "/rear": "sensor_msgs/msg/PointCloud2"}
    there = present(rig, BagContents(types, {}, {}))
    assert (there.lidar, there.points, there.points_clock_offset_s) == ("LEFT", "/left", 0.5)
    assert [each.name for each in there.lidars] == ["REAR"]
