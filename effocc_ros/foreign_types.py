# SPDX-License-Identifier: Apache-2.0
"""Message types that hold sensor data in a form of their own, and what turns them into ours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

CLOUD, IMAGE = "sensor_msgs/msg/PointCloud2", "sensor_msgs/msg/Image"
"""What the forms below can be turned into."""


@dataclass(frozen=True)
class ForeignType:
    """A form of sensor data that is not read.

    Attributes:
        pattern: Regular expression of the whole message type.
        what: What it is.
        target: The type that it can be turned into.
        tool: What does so; {topic}, {transport} and {bag} stand for those at hand. Empty where
            nothing can.
    """

    pattern: str
    what: str
    target: str
    tool: str = ""


_REPUBLISH = (
    " republish --ros-args -p in_transport:={transport} -p out_transport:=raw "
    "-r in/{transport}:={topic} -r out:={topic}_raw"
)
_TRANSPORTS = ("draco", "cloudini", "zlib", "zstd")
_CLOUDS = "{transport}_point_cloud_transport: ros2 run point_cloud_transport" + _REPUBLISH
_IMAGES = "{transport}_image_transport: ros2 run image_transport" + _REPUBLISH

FOREIGN_TYPES = (
    ForeignType(
        r"livox\w*/msg/CustomMsg",
        "Livox's own point format",
        CLOUD,
        "livox_to_pointcloud2 (for new recordings: xfer_format 0 of livox_ros_driver2)",
    ),
    ForeignType(
        r"velodyne_msgs/msg/Velodyne(Scan|Packet)",
        "raw packets of a Velodyne",
        CLOUD,
        "velodyne_pointcloud: ros2 run velodyne_pointcloud velodyne_transform_node",
    ),
    ForeignType(
        r"ouster\w*/msg/PacketMsg",
        "raw packets of an Ouster",
        CLOUD,
        "ouster_ros: ros2 launch ouster_ros replay.launch.xml bag_file:={bag} metadata:=FILE",
    ),
    ForeignType(
        r"(rslidar|robosense)\w*/msg/\w*(Packet|Scan)\w*",
        "raw packets of a RoboSense",
        CLOUD,
        "rslidar_sdk, with msg_source: 2 in its config.yaml",
    ),
    ForeignType(
        r"(hesai|pandar)\w*/msg/(\w*Packets?|\w*Scan|UdpFrame)",
        "raw packets of a Hesai",
        CLOUD,
        "HesaiLidar_ROS_2.0 (source_type: 3), or nebula_ros",
    ),
    ForeignType(
        r"nebula_msgs/msg/Nebula(Packets?|Scan)",
        "raw packets, as Autoware's drivers record them",
        CLOUD,
        "nebula_ros with the sensor's own launch file and launch_hw:=false",
    ),
    ForeignType(
        r"\w*(seyond|innovusion|innoviz|cepton|aeva|luminar|lslidar|leishen|vanjee|wanji|tanway"
        r"|zvision|benewake|sick|lidar)\w*/msg/\w*(Scan|Frame|Packets?|Cloud|Points?)",
        "a LiDAR's own format",
        CLOUD,
        "the driver of the sensor, told to read from a topic or a bag",
    ),
    ForeignType(
        r"point_cloud_interfaces/msg/CompressedPointCloud2",
        "a compressed cloud (draco, cloudini, zlib or zstd)",
        CLOUD,
        _CLOUDS,
    ),
    ForeignType(
        r"sensor_msgs/msg/PointCloud",
        "the old type of cloud",
        CLOUD,
        "a node that calls sensor_msgs::convertPointCloudToPointCloud2",
    ),
    ForeignType(
        r"foxglove_msgs/msg/PointCloud",
        "Foxglove's own point format",
        CLOUD,
        "a node that copies fields and data, which are laid out as in PointCloud2",
    ),
    ForeignType(
        r"sensor_msgs/msg/(LaserScan|MultiEchoLaserScan)",
        "distances in one plane, in which no network finds voxels; use a LiDAR of several rings",
        CLOUD,
    ),
    ForeignType(
        r"ffmpeg_image_transport_msgs/msg/FFMPEGPacket",
        "video (H.264, H.265 or AV1), of which one message is no image",
        IMAGE,
        _IMAGES.replace("{transport}", "ffmpeg"),
    ),
    ForeignType(
        r"theora_image_transport/msg/Packet",
        "video (Theora), of which one message is no image",
        IMAGE,
        _IMAGES.replace("{transport}", "theora"),
    ),
    ForeignType(
        r"foxglove_msgs/msg/(CompressedVideo|CompressedImage|RawImage)",
        "Foxglove's own images or video",
        IMAGE,
        "foxglove_compressed_video_transport: ros2 run image_transport"
        + _REPUBLISH.replace("{transport}", "foxglove"),
    ),
    ForeignType(
        r"\w*(h26[45x]|x26[45]|video)\w*/msg/\w+|\w+/msg/\w*(H26[45X]|Video)\w*",
        "video, of which one message is no image",
        IMAGE,
        "the decoder that comes with the package of this type",
    ),
    ForeignType(
        r"(event_camera|dvs|prophesee_event|metavision)\w*/msg/(EventPacket|EventArray)",
        "events of an event camera, which are no images; use a camera of frames",
        IMAGE,
    ),
    ForeignType(
        r"(?!\w*(radar|audio|can|gnss|gps|imu|serial)\w*/)"
        r"\w+/msg/\w*(Packets?|PacketMsg|PacketArray|UdpFrame)",
        "raw packets of a sensor",
        CLOUD,
        "the driver of the sensor, told to take packets from a topic",
    ),
)
"""The first that fits counts; what is of no known maker stands last."""


def foreign_type(msgtype: str) -> ForeignType | None:
    """Return what a message type, such as ``velodyne_msgs/msg/VelodyneScan``, is known as."""
    return next((each for each in FOREIGN_TYPES if re.fullmatch(each.pattern, msgtype)), None)


def conversion(topic: str, msgtype: str, bag: str = "BAG") -> tuple[str, str] | None:
    """Return what a topic of a bag holds, and what makes it usable; None for other types.

    Args:
        topic: The topic.
        msgtype: Its type.
        bag: The bag's path.

    Returns:
        Two texts: what it is; what to do.
    """
    kind = foreign_type(msgtype)
    if kind is None:
        return None
    what = f"{topic} of type {msgtype}: {kind.what}"
    target = kind.target.rpartition("/")[2]
    if not kind.tool:
        return what, f"Record a {target}"
    # Transports publish on topics that end in their names; else draco is the likeliest.
    transport = next((name for name in _TRANSPORTS if topic.endswith(f"/{name}")), _TRANSPORTS[0])
    tool = kind.tool.format(topic=topic, transport=transport, bag=bag)
    return what, (
        f"Turn it into {target} by {tool}; run this beside `ros2 bag play {bag}`, record what it "
        "publishes together with the other topics, and name its topic in the rig"
    )


def foreign_topics(types: Mapping[str, str], target: str) -> list[str]:
    """Return the topics that hold what can be turned into a type, sorted.

    Args:
        types: Topic -> message type.
        target: :data:`CLOUD` or :data:`IMAGE`.
    """
    kinds = {topic: foreign_type(msgtype) for topic, msgtype in types.items()}
    return sorted(topic for topic, kind in kinds.items() if kind and kind.target == target)


def advice(types: Mapping[str, str], wanted: Mapping[str, str], bag: str) -> tuple[str, str]:
    """Return what to say of a bag that has none of the topics that are asked for.

    Args:
        types: Topic -> message type of the bag.
        wanted: Message types that would do -> the target that they are, :data:`CLOUD` or
            :data:`IMAGE`.
        bag: The bag's path.

    Returns:
        Two texts: what is there, empty where it is nothing of the kind; what to do.
    """
    ready = sorted(topic for topic, msgtype in types.items() if msgtype in wanted)
    if ready:
        return "", (
            f"Name a rig with this bag's topics (--rig), such as {', '.join(ready[:3])}; "
            f"`effocc rig check {bag}` drafts one"
        )
    foreign = [topic for target in {*wanted.values()} for topic in foreign_topics(types, target)]
    if not foreign:
        return "", f"Record {' or '.join(wanted)}: the bag has no topic of this kind"
    return conversion(foreign[0], types[foreign[0]], bag)
