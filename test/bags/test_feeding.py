# SPDX-License-Identifier: Apache-2.0
"""A bag's topics and the model decide how the stream reads sensors."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.toy_drive import IMAGE, Sent, drive, make_toy_bag

from effocc_ros.bags.feeding import Feeding, feeding
from effocc_ros.bags.messages import message as bag_message
from effocc_ros.bags.reader import BagReader
from effocc_ros.bags.writer import BagWriter
from effocc_ros.errors import InputError
from effocc_ros.presets import load_preset
from effocc_ros.rig import CameraTopics, LidarTopics, Rig, load_rig
from effocc_ros.stream import Stream

CAMERAS = (
    CameraTopics("CAM_FRONT", "/front/image_rect/compressed"),
    CameraTopics("CAM_BACK", "/back/image_raw/compressed"),
)


def config(model: str):
    rig = Rig("rig", CAMERAS, "/points")
    feeding = Feeding(CAMERAS, rig.all_lidars, (), rig)
    return feeding.stream_config(load_preset(model), 0.5)


def test_images_are_rectified_where_their_topic_says_so():
    assert config("fusion_tiny").rectified == {"CAM_FRONT"}


def test_a_network_that_squashes_intensity_gets_it_as_the_lidar_gives_it():
    assert config("lidar").learn_intensity
    assert not config("waymo_lidar").learn_intensity


def test_cameras_of_names_that_the_model_does_not_know_are_told_and_all_of_them_refused(tmp_path):
    front = CameraTopics("CAM_FRONT", f"/CAM_FRONT/{IMAGE}")
    lower = CameraTopics("cam_back", f"/CAM_BACK/{IMAGE}")
    with BagReader(make_toy_bag(tmp_path / "drive", 1)) as bag:
        some = feeding(bag, Rig("some", (front, lower), "/LIDAR_TOP"), load_preset("fusion_tiny"))
        assert (some.cameras, some.unknown) == ((front,), ("cam_back",))
        none = Rig("none", (lower,), "/LIDAR_TOP")
        with pytest.raises(InputError, match="cameras of rig none: found cam_back") as caught:
            feeding(bag, none, load_preset("fusion_tiny"))
        assert caught.value.reason == "unknown_cameras"
        assert feeding(bag, none, load_preset("lidar_tiny")).unknown == ()


def test_other_sensors_stand_by_as_far_as_the_model_uses_them():
    assert config("fusion_tiny").standby == ("CAM_FRONT", "CAM_BACK")
    assert config("lidar").standby == ()
    without = Feeding(CAMERAS, (), (), Rig("rig", CAMERAS))
    vision = without.stream_config(load_preset("vision_tiny"), 0.5)
    assert (vision.anchor, vision.standby) == ("CAM_FRONT", ("CAM_BACK",))
    # Its grid lies in the LiDAR's frame.
    assert config("openoccupancy_fusion_r50").standby == ()


def test_networks_of_waymo_get_the_elongation():
    assert config("waymo_lidar").elongation
    assert not config("fusion_tiny").elongation


def frames(folder, sent, rig: Rig):
    """Write a bag; return its fusion frames, the problems, and what the bag feeds."""
    problems, made = [], []
    with BagWriter(folder / "bag") as writer:
        for one in sent:
            writer.add_topic(one.topic, one.msgtype)
            writer.write_raw(one.topic, one.msgtype, one.raw, one.log_time)
    model = load_preset("fusion_tiny")
    with BagReader(folder / "bag") as bag:
        fed = feeding(bag, rig, model)
        stream = Stream(fed.stream_config(model, 0.0), problems.append)
        feeders = fed.feeders(stream)
        for message in bag.messages([topic for topic in feeders if topic in bag.topics]):
            feeders[message.topic](message.decode(), message.log_time / 1e9)
            made += stream.poll(message.log_time / 1e9)
        made += stream.flush()
        made = [frame for frame in map(stream.assemble, made) if frame is not None]
    return made, problems, fed


def renamed(sent, names):
    return [replace(one, topic=names.get(one.topic, one.topic)) for one in sent]


NAMESPACED = {"/tf": "/robot1/tf", "/tf_static": "/robot1/tf_static"}


def test_tf_on_other_topics_is_told_and_read_where_the_rig_names_it(tmp_path):
    sent = renamed(drive(3, cameras=("CAM_FRONT",)), NAMESPACED)
    rig = load_rig("nuscenes")
    for name in ("told", "named"):
        (tmp_path / name).mkdir()
    made, problems, _ = frames(tmp_path / "told", sent, rig)
    assert made == []
    assert problems[0].reason == "other_tf_topics"
    assert "found transforms on /robot1/tf, /robot1/tf_static" in problems[0].text
    named = replace(rig, tf="/robot1/tf", tf_static="/robot1/tf_static")
    made, problems, fed = frames(tmp_path / "named", sent, named)
    assert [frame.inputs for frame in made] == [("CAM_FRONT", "LIDAR_TOP")] * 3
    assert problems == []
    assert fed.other_tf == ()


def test_the_ego_motion_may_come_as_odometry(tmp_path):
    sent = [
        Sent("/odom", one.log_time, odometry(one.message)) if one.topic == "/tf" else one
        for one in drive(3, cameras=())
    ]
    rig = replace(load_rig("nuscenes"), odometry="/odom")
    made, problems, _ = frames(tmp_path, sent, rig)
    assert [frame.ego2global[0, 3] for frame in made] == [0.0, 0.5, 1.0]
    assert problems == []


def test_another_lidar_makes_the_frames_of_a_bag_without_the_first(tmp_path):
    rig = replace(load_rig("nuscenes"), points="/front", lidars=(LidarTopics("R", "/LIDAR_TOP"),))
    for name, cameras in (("with", ("CAM_FRONT",)), ("without", ())):
        (tmp_path / name).mkdir()
        made, problems, fed = frames(tmp_path / name, drive(3, cameras=cameras), rig)
        assert [frame.inputs for frame in made] == [(*cameras, "R")] * 3
        assert problems == []
        assert "/front" in fed.absent


def test_odometry_that_the_rig_does_not_name_is_told_where_the_bag_has_no_tf(tmp_path):
    sent = [
        Sent("/odom", one.log_time, odometry(one.message)) if one.topic == "/tf" else one
        for one in drive(1, cameras=())
    ]
    _, _, fed = frames(tmp_path, sent, load_rig("nuscenes"))
    (hint,) = fed.hints
    assert "found no /tf but odometry on /odom" in hint
    assert "(odometry)" in hint


def odometry(message):
    (edge,) = message.transforms
    place, turn = edge.transform.translation, edge.transform.rotation
    zero = bag_message("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=0.0)
    point = bag_message("geometry_msgs/msg/Point", x=place.x, y=place.y, z=place.z)
    pose = bag_message("geometry_msgs/msg/Pose", position=point, orientation=turn)
    twist = bag_message("geometry_msgs/msg/Twist", linear=zero, angular=zero)
    return bag_message(
        "nav_msgs/msg/Odometry",
        header=edge.header,
        child_frame_id=edge.child_frame_id,
        pose=bag_message(
            "geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36)
        ),
        twist=bag_message(
            "geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=np.zeros(36)
        ),
    )


def test_further_lidars_of_a_rig_are_fed(tmp_path):
    sent = drive(3, cameras=())
    sent = [*sent, *(replace(one, topic="/REAR") for one in sent if one.topic == "/LIDAR_TOP")]
    sent.sort(key=lambda one: one.log_time)
    rig = replace(load_rig("nuscenes"), lidars=(LidarTopics("REAR", "/REAR"),))
    made, _, _ = frames(tmp_path, sent, rig)
    assert {frame.inputs for frame in made} == {("LIDAR_TOP", "REAR")}


def test_a_calibration_file_of_sensors_that_the_rig_lacks_is_told_and_of_all_refused(tmp_path):
    file = tmp_path / "calibration.yaml"
    pose = "{translation: [0.9, 0.0, 1.8], rotation: [1.0, 0.0, 0.0, 0.0]}"
    file.write_text(f"LIDAR_TOP: {pose}\nCAM_FORNT: {pose}\n")
    rig = replace(load_rig("nuscenes"), calibration=file)
    made, problems, _ = frames(tmp_path, drive(2), rig)
    assert len(made) == 2
    (told,) = [each for each in problems if each.source == "calibration"]
    assert told.reason == "unknown_sensors"
    assert "found CAM_FORNT; expected names of the vehicle's sensors: CAM_FRONT_LEFT" in told.text
    file.write_text(f"LIDAR: {pose}\n")
    with pytest.raises(InputError, match=r"calibration\.yaml: found LIDAR; expected names"):
        frames(tmp_path / "again", drive(1), rig)
