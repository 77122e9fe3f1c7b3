# SPDX-License-Identifier: Apache-2.0
"""What is no PointCloud2 or Image is named, with the tool that turns it into one."""

import pytest

from effocc_ros.bags.feeding import feeding
from effocc_ros.bags.reader import BagTopic
from effocc_ros.errors import InputError
from effocc_ros.foreign_types import CLOUD, IMAGE, conversion, foreign_type
from effocc_ros.presets import load_preset
from effocc_ros.rig import CameraTopics, Rig
from effocc_ros.rig_check import BagContents, problems
from effocc_ros.rig_draft import draft_rig

FOREIGN = {
    "livox_ros_driver2/msg/CustomMsg": (CLOUD, "Livox", "livox_to_pointcloud2"),
    "livox_interfaces/msg/CustomMsg": (CLOUD, "Livox", "xfer_format 0"),
    "velodyne_msgs/msg/VelodyneScan": (CLOUD, "Velodyne", "velodyne_transform_node"),
    "ouster_sensor_msgs/msg/PacketMsg": (CLOUD, "Ouster", "bag_file:=/data/drive"),
    "rslidar_msg/msg/RslidarPacket": (CLOUD, "RoboSense", "msg_source: 2"),
    "pandar_msgs/msg/PandarScan": (CLOUD, "Hesai", "nebula_ros"),
    "nebula_msgs/msg/NebulaPackets": (CLOUD, "Autoware", "launch_hw:=false"),
    "hesai_ros_driver/msg/UdpFrame": (CLOUD, "Hesai", "source_type: 3"),
    "seyond/msg/SeyondPacket": (CLOUD, "a LiDAR's own format", "the driver of the sensor"),
    "innovusion/msg/InnovusionScan": (CLOUD, "a LiDAR's own format", "the driver of the sensor"),
    "sensor_company/msg/RawPackets": (CLOUD, "raw packets", "the driver of the sensor"),
    "event_camera_msgs/msg/EventPacket": (IMAGE, "events of an event camera", "Record a"),
    "dvs_msgs/msg/EventArray": (IMAGE, "events of an event camera", "Record a"),
    "point_cloud_interfaces/msg/CompressedPointCloud2": (
        CLOUD,
        "compressed cloud",
        "in_transport:=draco -p out_transport:=raw -r in/draco:=/points/draco",
    ),
    "ffmpeg_image_transport_msgs/msg/FFMPEGPacket": (
        IMAGE,
        "video (H.264",
        "ffmpeg_image_transport: ros2 run image_transport republish",
    ),
    "theora_image_transport/msg/Packet": (IMAGE, "Theora", "in_transport:=theora"),
    "foxglove_msgs/msg/CompressedVideo": (IMAGE, "Foxglove", "in_transport:=foxglove"),
    "h264_msgs/msg/Packet": (IMAGE, "video", "the decoder"),
    "img_msgs/msg/H26XFrame": (IMAGE, "video", "the decoder"),
    "sensor_msgs/msg/PointCloud": (CLOUD, "old type", "convertPointCloudToPointCloud2"),
    "sensor_msgs/msg/LaserScan": (CLOUD, "one plane", "Record a PointCloud2"),
}
RIG = Rig("car", (CameraTopics("CAM_FRONT", "/front/image"),), points="/points")


class OpenBag:
    """What :func:`feeding` knows of a bag."""

    path = "/data/drive"

    def __init__(self, types):
        self.topics = {name: BagTopic(name, msgtype, 1) for name, msgtype in types.items()}


@pytest.mark.parametrize("msgtype", FOREIGN)
def test_each_form_is_named_with_a_tool(msgtype):
    target, name, tool = FOREIGN[msgtype]
    what, do = conversion("/points/draco", msgtype, "/data/drive")
    assert foreign_type(msgtype).target == target
    assert msgtype in what
    assert name in what
    assert tool in do
    assert "{" not in do


@pytest.mark.parametrize(
    "msgtype",
    [
        *(CLOUD, IMAGE, "sensor_msgs/msg/CompressedImage", "std_msgs/msg/String"),
        *("nav_msgs/msg/Path", "radar_msgs/msg/RadarPackets", "audio_msgs/msg/AudioPacket"),
    ],
)
def test_what_is_read_or_of_another_kind_is_left_alone(msgtype):
    assert foreign_type(msgtype) is None


def refusal(types, model="fusion_tiny"):
    with pytest.raises(InputError) as caught:
        feeding(OpenBag(types), RIG, load_preset(model))
    return caught.value


@pytest.mark.parametrize("msgtype", FOREIGN)
def test_a_topic_of_the_rig_that_holds_another_form_is_told_by_process(msgtype):
    target, name, tool = FOREIGN[msgtype]
    topic = "/points" if target == CLOUD else "/front/image"
    error = refusal({topic: msgtype, "/other": "std_msgs/msg/String"})
    assert name in error.found
    assert "--rig" not in str(error)
    assert tool.split(" ")[0] in error.do


@pytest.mark.parametrize("msgtype", FOREIGN)
def test_a_bag_with_nothing_but_another_form_is_told_by_process_and_rig_check(msgtype):
    _, name, _ = FOREIGN[msgtype]
    types = {"/raw": msgtype, "/tf": "tf2_msgs/msg/TFMessage"}
    said = [
        str(refusal(types)),
        "\n".join(problems(RIG, BagContents(types, {}, {}))),
        draft_refusal(types),
    ]
    for text in said:
        assert name in text
        assert "/raw" in text
        assert "--rig" not in text


def draft_refusal(types):
    with pytest.raises(InputError) as caught:
        draft_rig(BagContents(types, {}, {}), "drive")
    return str(caught.value)


def test_cameras_alone_go_on_and_the_packets_of_the_lidar_are_told():
    types = {"/front/image": IMAGE, "/packets": "velodyne_msgs/msg/VelodyneScan"}
    fed = feeding(OpenBag(types), RIG, load_preset("fusion_tiny"))
    assert fed.absent == ("/points",)
    (hint,) = fed.hints
    assert "raw packets of a Velodyne" in hint
    assert "velodyne_transform_node" in hint


@pytest.mark.parametrize(
    ("types", "advised"),
    [
        ({"/os/points": CLOUD}, "Name a rig with this bag's topics (--rig), such as /os/points"),
        ({"/chatter": "std_msgs/msg/String"}, "Record sensor_msgs/msg/CompressedImage or"),
        ({"/points": "std_msgs/msg/String", "/a": CLOUD}, "such as /a"),
        ({"/points": "std_msgs/msg/String"}, "Record sensor_msgs/msg/PointCloud2"),
    ],
)
def test_another_rig_is_advised_where_one_can_help(types, advised):
    assert advised in refusal(types).do


def test_a_frame_of_the_rig_is_told_once_for_all_cameras():
    cameras = tuple(CameraTopics(f"CAM_{n}", f"/cam{n}") for n in range(3))
    contents = BagContents({"/v": "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"}, {}, {})
    said = problems(Rig("car", cameras), contents)
    assert sum("video" in line for line in said) == 1
