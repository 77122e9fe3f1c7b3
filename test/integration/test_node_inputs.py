# SPDX-License-Identifier: Apache-2.0
"""Whatever QoS the publishers offer, the node hears them; another type is named."""

import time
from itertools import count

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from helpers.toy_drive import IMAGE, START, camera_info, moment, static_poses
from helpers.waiting import wait_until
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from tf2_msgs.msg import TFMessage

from effocc_ros.frame import NUSCENES_CAMERAS
from effocc_ros.msg import SemanticOccupancy

pytestmark = pytest.mark.integration

RELIABLE = QoSProfile(depth=10)
BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def test_publishers_of_every_qos_are_heard_and_one_of_another_type_is_named(stage, tiny_models):
    heard = NUSCENES_CAMERAS[:-1]
    infos = [camera_info(camera, START) for camera in heard]
    for info in infos:
        stage.offer(info.topic, CameraInfo, LATCHED)
    stage.offer("/LIDAR_TOP", PointCloud2, BEST_EFFORT)
    static = stage.offer("/tf_static", TFMessage, RELIABLE)
    stage.offer("/tf", TFMessage, BEST_EFFORT)
    stage.offer(f"/{NUSCENES_CAMERAS[-1]}/{IMAGE}", Image, RELIABLE)
    stage.send(infos)  # once, before there is a node
    occupancies = stage.peer.listen(SemanticOccupancy, "/occ_node/output/occupancy")
    diagnostics = stage.peer.listen(DiagnosticArray, "/diagnostics")
    node = stage.start_node(model=tiny_models["fusion"], diagnostics_period=0.3, max_wait=1.0)
    wait_until(static.get_subscription_count, "the node")
    stage.send([static_poses()])
    numbers = count(0, 5)  # half a second apart: no image of one moment fits the next

    def whole() -> bool:
        sent = moment(next(numbers), heard)
        stage.send(each for each in sent if "camera_info" not in each.topic)
        time.sleep(0.1)
        return any(tuple(each.inputs) == (*heard, "LIDAR_TOP") for each in occupancies)

    wait_until(whole, "a frame of all that is heard")
    name = f"input {NUSCENES_CAMERAS[-1]}"
    status = wait_until(lambda: last_status(diagnostics, name, "sends"), "the complaint")
    assert status.level == DiagnosticStatus.ERROR
    said = "peer sends sensor_msgs/msg/Image, not sensor_msgs/msg/CompressedImage"
    assert said in status.message
    assert f"/{NUSCENES_CAMERAS[-1]}/{IMAGE} cannot be heard: {said}" in node.text


def test_a_static_transform_that_was_sent_once_before_the_node_is_said_to_be_lost(
    stage, tiny_models
):
    static = stage.offer("/tf_static", TFMessage, RELIABLE)
    stage.send([static_poses()])
    node = stage.start_node(model=tiny_models["lidar"], diagnostics_period=0.3)
    wait_until(static.get_subscription_count, "the node")
    node.wait_for_text("nothing has come on /tf_static from peer (reliable, volatile): what is")
    assert "let it latch" in node.text


@pytest.mark.parametrize(
    ("model", "remapped", "said"),
    [
        (
            "fusion",
            "~/input/CAM_BACK/image:=/CAM_FRONT/image_rect_compressed",
            "input ~/input/CAM_BACK/image: found topic /CAM_FRONT/image_rect_compressed, which is "
            "that of CAM_FRONT; expected a topic of its own",
        ),
        (
            "vision",
            "~/input/CAM_BACK/camera_info:=/CAM_FRONT/camera_info",
            "input ~/input/CAM_BACK/camera_info: found topic /CAM_FRONT/camera_info, which is "
            "that of CAM_FRONT; expected a topic of its own",
        ),
        (
            "lidar",
            "~/output/points:=/LIDAR_TOP",
            "input ~/input/points: found topic /LIDAR_TOP, which is an output of this node",
        ),
    ],
)
def test_a_sensor_without_a_topic_of_its_own_is_refused(stage, tiny_models, model, remapped, said):
    node = stage.start_node(active=False, remapped=[remapped], model=tiny_models[model])
    assert node.wait(60) == 1
    assert said in node.text


def test_another_node_of_the_same_name_is_said(stage, tiny_models):
    for _ in range(2):
        node = stage.start_node(model=tiny_models["lidar"], diagnostics_period=0.3)
    node.wait_for_text("1 more of the name /occ_node: requests reach any of them")


def last_status(diagnostics, part, said):
    for status in diagnostics[-1].status if diagnostics else ():
        if status.name.endswith(part) and said in status.message:
            return status
    return None
