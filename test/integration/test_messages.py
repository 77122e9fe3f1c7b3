# SPDX-License-Identifier: Apache-2.0
"""Our message and TFMessage over real DDS, from one process to another."""

import array
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

rclpy = pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from geometry_msgs.msg import TransformStamped  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from effocc_ros.msg import SemanticOccupancy  # noqa: E402
from effocc_ros.nodes.domains import own_domain  # noqa: E402
from effocc_ros.resources import resource_path  # noqa: E402

pytestmark = pytest.mark.integration

SHAPE = (200, 200, 16)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)

ECHO = """
import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile
from effocc_ros.msg import SemanticOccupancy
from tf2_msgs.msg import TFMessage

rclpy.init()
node = rclpy.create_node("echo")
latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
for kind, name in ((SemanticOccupancy, "occupancy"), (TFMessage, "transforms")):
    back = node.create_publisher(kind, f"{name}_back", latched)
    node.create_subscription(kind, name, back.publish, latched)
rclpy.spin(node)
"""


@pytest.fixture(scope="module")
def node():
    """Yield a node here while an echoing node runs in another process."""
    with own_domain() as domain:
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=domain)
        node = rclpy.create_node("asker", context=context)
        environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
        echo = subprocess.Popen([sys.executable, "-c", ECHO], env=environment)
        yield node
        echo.kill()
        echo.wait()
        node.destroy_node()
        rclpy.shutdown(context=context)


def echoed(node, message, topic):
    """Return what the other process sends back."""
    answers = []
    publisher = node.create_publisher(type(message), topic, LATCHED)
    node.create_subscription(type(message), f"{topic}_back", answers.append, LATCHED)
    publisher.publish(message)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    deadline = time.monotonic() + 30
    while not answers and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.1)
    executor.remove_node(node)
    assert answers, f"no answer on {topic}_back within 30 s"
    return answers[0]


def occupancy_message():
    labels = np.arange(np.prod(SHAPE), dtype=np.int64).astype(np.uint8)
    message = SemanticOccupancy(free_label=17, model="fusion_r18", trained=True, mode="fusion")
    message.header.frame_id = "base_link"
    message.header.stamp.sec = 1532402927
    message.header.stamp.nanosec = 647951000
    message.origin.position.x = -40.0
    message.voxel_size = [0.4, 0.4, 0.4]
    message.shape = list(SHAPE)
    message.labels = array.array("B", memoryview(labels))
    message.class_names = ["others", "barrier"]
    message.class_colors = [0, 0, 0, 255, 120, 50]
    message.inputs = ["CAM_FRONT", "LIDAR_TOP"]
    return message


def test_an_occupancy_message_comes_back_equal_from_another_process(node):
    sent = occupancy_message()
    answer = echoed(node, sent, "occupancy")
    assert answer == sent
    grid = np.frombuffer(answer.labels, np.uint8).reshape(answer.shape)
    assert grid[3, 5, 7] == (3 * 200 * 16 + 5 * 16 + 7) % 256


def test_a_transform_message_comes_back_equal_from_another_process(node):
    edge = TransformStamped(child_frame_id="base_link")
    edge.header.frame_id = "map"
    edge.transform.translation.x = 411.3
    sent = TFMessage(transforms=[edge, TransformStamped()])
    assert echoed(node, sent, "transforms") == sent


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (SemanticOccupancy, "effocc_ros/msg/SemanticOccupancy"),
        (TFMessage, "tf2_msgs/msg/TFMessage"),
    ],
)
def test_the_type_hash_on_the_wire_is_the_one_rosbags_computes(node, kind, name):
    store = get_typestore(Stores.ROS2_KILTED)
    text = resource_path("msg/SemanticOccupancy.msg").read_text()
    store.register(get_types_from_msg(text, "effocc_ros/msg/SemanticOccupancy"))
    publisher = node.create_publisher(kind, f"hash_of_{kind.__name__}", LATCHED)
    endpoint = node.get_publishers_info_by_topic(publisher.topic_name)[0]
    assert endpoint.topic_type_hash.value.hex() == store.hash_rihs01(name).removeprefix("RIHS01_")
