# SPDX-License-Identifier: Apache-2.0
"""Rig and model of a bag are guessed where that is sure, and refused with a way out where not."""

from dataclasses import replace

import pytest
from helpers.toy_drive import drive, make_toy_bag

from effocc_ros.bags.messages import message
from effocc_ros.bags.reader import BagReader
from effocc_ros.bags.writer import BagWriter
from effocc_ros.cli import main
from effocc_ros.errors import InputError
from effocc_ros.rig import load_rig
from effocc_ros.rig_check import BagContents, bag_contents
from effocc_ros.rig_guess import guess

CLOUD = "sensor_msgs/msg/PointCloud2"
IMAGE = "sensor_msgs/msg/Image"
JPEG = "sensor_msgs/msg/CompressedImage"
INFO = "sensor_msgs/msg/CameraInfo"
PARENTS = {"base_link": "map", "velodyne": "base_link", "CAM_FRONT": "base_link"}
OWN = {"/LIDAR_TOP": "/velodyne_points", "/CAM": "/sensing/cam"}
"""Begins of topics, and those of a vehicle that no preset is of."""


def write_drive(path, leave_out=("nothing",), names=None):
    """Write a short drive without some topics and with others renamed by how they begin."""
    with BagWriter(path) as writer:
        for sent in drive(2):
            if sent.topic.startswith(tuple(leave_out)) or sent.topic.endswith(tuple(leave_out)):
                continue
            topic = sent.topic
            for old, new in (names or {}).items():
                topic = topic.replace(old, new)
            writer.write(topic, sent.message, sent.log_time)
    return path


def contents_of(path):
    with BagReader(path) as bag:
        return bag_contents(bag)


def guessed(path, **named):
    return guess(contents_of(path), path, **named)


def refused(types, parents=None, frames=None, **named):
    contents = BagContents(types, PARENTS if parents is None else parents, {}, frames or {})
    with pytest.raises(InputError) as caught:
        guess(contents, "drive", **named)
    return str(caught.value)


def test_a_preset_that_fits_is_found_and_said_with_the_reason(tmp_path):
    found = guessed(make_toy_bag(tmp_path / "drive", 2))
    assert (found.rig, found.model) == (load_rig("nuscenes"), "fusion_tiny")
    assert found.lines == (
        "rig nuscenes: all its topics and frames are in the bag (6 cameras and LiDAR)",
        "input cameras and LiDAR: the bag has 6 cameras and LiDAR",
        "model fusion_tiny: made for cameras and LiDAR, and ships with trained weights; larger "
        "ones can be named with --model (see `effocc models`)",
    )


@pytest.mark.parametrize(
    ("leave_out", "what", "model"),
    [
        (["/CAM"], "LiDAR", "lidar_tiny"),
        (["/LIDAR_TOP"], "6 cameras", "vision_tiny"),
        (["/LIDAR_TOP", "/CAM_BACK"], "3 cameras", "vision_tiny"),
    ],
)
def test_a_preset_serves_a_bag_of_some_of_its_sensors(tmp_path, leave_out, what, model):
    found = guessed(write_drive(tmp_path / "drive", leave_out))
    assert (found.rig.name, found.model) == ("nuscenes", model)
    assert (
        found.lines[0] == f"rig nuscenes: it has all sensors of the bag ({what}), and its frames"
    )


@pytest.mark.parametrize(
    ("leave_out", "cameras", "points", "model"),
    [
        ([], 6, "/velodyne_points", "fusion_tiny"),
        (["/CAM"], 0, "/velodyne_points", "lidar_tiny"),
        (["/LIDAR_TOP"], 6, "", "vision_tiny"),
    ],
)
def test_a_rig_is_drafted_where_no_preset_fits(tmp_path, leave_out, cameras, points, model):
    path = write_drive(tmp_path / "drive", leave_out or ["nothing"], OWN)
    found = guessed(path)
    assert (len(found.rig.cameras), found.rig.points, found.model) == (cameras, points, model)
    assert found.lines[0].startswith("rig drafted from the bag's topics and tf, for no preset")
    assert found.lines[0].endswith(f"to keep it: effocc rig check {path} --out rig.yaml")


def test_broken_messages_do_not_hinder_the_guess(tmp_path):
    with BagWriter(tmp_path / "drive") as writer:
        for sent in drive(2):
            if sent.topic in ("/tf", "/LIDAR_TOP"):
                writer.write_raw(sent.topic, sent.msgtype, sent.raw[:20], sent.log_time - 1)
            writer.write(sent.topic, sent.message, sent.log_time)
    assert guessed(tmp_path / "drive").rig == load_rig("nuscenes")


def test_what_is_named_narrows_the_guess(tmp_path):
    bag = make_toy_bag(tmp_path / "drive", 2)
    found = guessed(bag, modality="lidar")
    assert found.rig.name == "nuscenes"
    assert found.lines[1:] == ("input LiDAR only: for a lidar model the bag has LiDAR",)
    rig = replace(load_rig("nuscenes"), points="")
    found = guessed(bag, rig=rig)
    assert (found.rig, found.model, len(found.lines)) == (rig, "vision_tiny", 2)
    with pytest.raises(InputError, match="no messages on /nuscenes/cam_front/image_raw"):
        guessed(bag, rig=load_rig("chris7462"))
    with pytest.raises(InputError, match="found LiDAR; expected images for a vision network"):
        guessed(write_drive(tmp_path / "lidar", ["/CAM"], OWN), modality="vision")


def test_presets_that_come_to_the_same_are_one_guess():
    parents = {"base_link": "map", "lidar_top": "base_link"}
    found = guess(BagContents({"/lidar_top": CLOUD}, parents, {}), "drive")
    assert (found.rig.name, found.model) == ("clynamen", "lidar_tiny")


def test_presets_that_fit_alike_are_refused():
    parents = {"base_link": "map", "map": "world"}
    text = refused({"/LIDAR_TOP": CLOUD, "/nuscenes/LIDAR_TOP/data": CLOUD}, parents)
    assert "one LiDAR" in text
    types = {"/lidar_top": CLOUD, "/LIDAR_TOP": CLOUD}
    text = refused(types, modality="lidar")
    assert "clynamen" in text
    assert "nuscenes" in text
    assert "--rig" in text


def test_cameras_without_camera_info_are_refused():
    rig = load_rig("clynamen")
    types = {camera.image: IMAGE for camera in rig.cameras} | {rig.points: CLOUD}
    for sensors in (types, {"/front/image_raw": IMAGE, "/velodyne_points": CLOUD}):
        text = refused(sensors)
        assert "CAM_FRONT" in text
        assert "without CameraInfo" in text
        assert "--rig" in text
        assert "For the LiDAR alone: --model lidar_tiny" in text
    assert guess(BagContents(types, PARENTS, {}), "drive", modality="lidar").rig.points


FRONT = {"/front/image_raw": IMAGE, "/front/camera_info": INFO}


@pytest.mark.parametrize(
    ("types", "texts"),
    [
        (
            {**FRONT, "/lidar/left": CLOUD, "/lidar/right": CLOUD},
            ["/lidar/left, /lidar/right", "one LiDAR", "--rig", "--model vision_tiny"],
        ),
        ({"/radar/points": CLOUD}, ["/radar/points, whose name is not that of a LiDAR"]),
        (
            {"/a/front/image_raw": IMAGE, "/b/front/image_raw": IMAGE}
            | {"/a/front/camera_info": INFO, "/b/front/camera_info": INFO},
            ["/a/front/image_raw and /b/front/image_raw for CAM_FRONT", "one camera"],
        ),
        (
            {"/cam0/image_raw": IMAGE, "/cam0/camera_info": INFO, "/points": CLOUD},
            ["/cam0/image_raw, whose names do not tell", "--rig", "--model lidar_tiny"],
        ),
        ({"/chatter": "std_msgs/msg/String"}, ["found topics of std_msgs/msg/String"]),
        ({"/scan": "livox_ros_driver2/msg/CustomMsg"}, ["Livox's own point format"]),
    ],
)
def test_what_is_not_sure_is_refused_with_what_was_found(types, texts):
    said = refused(types)
    assert [text for text in texts if text not in said] == []


def test_frames_that_tf_does_not_tell_are_refused():
    types = {"/velodyne_points": CLOUD}
    assert "tf: no transforms" in refused(types, {})
    assert "no base_link in tf, which has a, b" in refused(types, {"a": "b"})
    loose = PARENTS | {"os_sensor": "mast"}
    for parents in (PARENTS, loose):
        text = refused(types, parents, {"/velodyne_points": "os_sensor"})
        assert "/velodyne_points: tf does not connect its frame os_sensor with base_link" in text


def test_what_is_left_out_is_said():
    types = {**FRONT, "/debug/image_raw": IMAGE, "/livox/lidar": "livox_ros_driver2/msg/CustomMsg"}
    types |= {"/front/image_rect": IMAGE}
    found = guess(BagContents(types, PARENTS, {}), "drive")
    assert [camera.name for camera in found.rig.cameras] == ["CAM_FRONT"]
    assert "without /debug/image_raw, whose place is not known" in found.lines[0]
    assert "not used: /livox/lidar of type livox_ros_driver2/msg/CustomMsg" in found.lines[1]
    types = {"/velodyne_points": CLOUD, "/velodyne_points/ground": CLOUD, "/radar/p": CLOUD}
    assert guess(BagContents(types, PARENTS, {}), "drive").rig.points == "/velodyne_points"


def test_odometry_of_a_rig_stands_for_the_ego_pose_in_tf():
    rig = load_rig("chris7462")
    types = {rig.points: CLOUD, rig.odometry: "nav_msgs/msg/Odometry"}
    for camera in rig.cameras:
        types |= {camera.image: IMAGE, camera.camera_info: INFO}
    parents = {"lidar_top": "base_link"}
    assert guess(BagContents(types, parents, {}), "drive").rig == rig


def run(*arguments):
    return main(["process", *map(str, arguments), "--interval", "10", "--device", "cpu"])


def test_the_verb_runs_what_it_guessed(tmp_path, capsys):
    bag = write_drive(tmp_path / "drive", ["/CAM"], OWN)
    assert run(bag, tmp_path / "out") == 0
    rig, kind, model, *table = capsys.readouterr().out.splitlines()
    assert rig.startswith("rig drafted")
    assert kind.startswith("input LiDAR only")
    assert model.startswith("model lidar_tiny: ")
    assert any("lidar_tiny" in line for line in table)
    # What was said to keep the rig, keeps it; and what is named is not guessed.
    assert main(["rig", "check", str(bag), "--out", str(tmp_path / "rig.yaml")]) == 1
    capsys.readouterr()
    named = ("--rig", tmp_path / "rig.yaml", "--model", "lidar_tiny")
    assert run(bag, tmp_path / "again", *named) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["model", "lidar_tiny"]
    with BagReader(tmp_path / "out") as first, BagReader(tmp_path / "again") as second:
        assert [m.raw for m in first.messages()] == [m.raw for m in second.messages()]


def test_the_verb_runs_cameras_alone_and_refuses_a_bag_of_nothing(tmp_path, capsys):
    bag = write_drive(tmp_path / "drive", ["/LIDAR_TOP"])
    assert run(bag, tmp_path / "out") == 0
    assert "model vision_tiny: " in capsys.readouterr().out
    with BagWriter(tmp_path / "chat") as writer:
        writer.write("/chatter", message("std_msgs/msg/String", data="hello"), 1)
    assert run(tmp_path / "chat", tmp_path / "none") == 2
    assert "found topics of std_msgs/msg/String" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
