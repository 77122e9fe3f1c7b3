# SPDX-License-Identifier: Apache-2.0
"""Outputs over DDS: the occupancy never waits for its views; who comes late gets the newest."""

import json
import threading

import numpy as np
import pytest
import yaml
from helpers.ros_processes import set_parameter
from helpers.toy_drive import PERIOD, START, TOPICS, make_toy_bag
from helpers.waiting import wait_until
from nav_msgs.msg import OccupancyGrid
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import String
from visualization_msgs.msg import MarkerArray

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.geometry import VoxelGrid
from effocc_ros.msg import SemanticOccupancy
from effocc_ros.nodes.outputs import Outputs
from effocc_ros.nodes.settings import NodeSettings
from effocc_ros.nodes.to_message import stamp_of
from effocc_ros.occupancy import SemanticOccupancy as Occupancy

pytestmark = pytest.mark.integration

COSTMAP = QoSProfile(
    depth=3,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
"""What Nav2's StaticLayer subscribes with."""
GRID = VoxelGrid(lower=(-1.0, 2.0, -1.0), voxel_size=(0.4, 0.4, 0.4), shape=(5, 4, 8))


def occupancy(stamp: int) -> Occupancy:
    labels = np.full(GRID.shape, OCC3D_NUSCENES.free, np.uint8)
    labels[:, :, 1] = 11
    labels[0, 0, 4] = 4
    return Occupancy(stamp, "base_link", GRID, labels, OCC3D_NUSCENES)


def stamps(messages) -> list[int]:
    return [stamp_of(message.header.stamp) for message in messages]


def matched(node: LifecycleNode) -> list[int]:
    """Subscribers that the publisher of each output with one here knows of."""
    listened = ("occupancy", "points", "markers")
    return [
        publisher.get_subscription_count()
        for publisher in node.publishers
        if publisher.topic_name.rpartition("/")[2] in listened
    ]


def test_occupancies_go_out_while_the_views_of_an_earlier_one_are_stuck(stage):
    built, stuck, go_on = threading.Event(), threading.Event(), threading.Event()

    def settings() -> NodeSettings:
        if built.is_set():
            stuck.set()
            assert go_on.wait(60)
        return NodeSettings()

    occupancies = stage.peer.listen(SemanticOccupancy, "/maker/output/occupancy")
    clouds = stage.peer.listen(PointCloud2, "/maker/output/points")
    markers = stage.peer.listen(MarkerArray, "/maker/output/markers")
    node = LifecycleNode("maker", context=stage.peer.context)
    outputs = Outputs(node, settings)
    built.set()
    try:
        node.trigger_configure()
        node.trigger_activate()
        wait_until(lambda: all(matched(node)), "subscribers")
        for stamp in (1, 2, 3):
            outputs.publish(occupancy(stamp))
            wait_until(lambda stamp=stamp: len(occupancies) == stamp, f"occupancy {stamp}")
            assert stuck.wait(60)
        assert not clouds
        go_on.set()
        wait_until(lambda: len(clouds) == 2 and len(markers) == 2, "the views")
    finally:
        go_on.set()
        outputs.destroy()
        node.destroy_node()
    assert stamps(occupancies) == [1, 2, 3]
    assert stamps(clouds) == [1, 3]
    assert outputs.views_superseded == 1


def recipe(repository) -> dict:
    """Return the parameters of the costmap that the package ships for Nav2."""
    text = (repository / "config" / "nav2" / "local_costmap.yaml").read_text()
    return yaml.safe_load(text)["local_costmap"]["local_costmap"]["ros__parameters"]


def check_map(grid: OccupancyGrid, costmap: dict) -> None:
    """Require what Nav2's StaticLayer does, and that the recipe reads the values as they are."""
    assert grid.header.frame_id == costmap["global_frame"]
    origin, info = grid.info.origin, grid.info
    assert len(grid.data) == info.width * info.height
    assert info.resolution == pytest.approx(costmap["resolution"])
    assert (costmap["width"], costmap["height"]) == (80, 80)
    assert info.width * info.resolution == pytest.approx(80)
    turn = origin.orientation
    assert (turn.x, turn.y, turn.z, turn.w) == (0, 0, 0, 1), "StaticLayer ignores a rotation"
    values = set(np.array(grid.data, np.int8).view(np.uint8).tolist())
    assert values <= {0, costmap["lethal_cost_threshold"], costmap["unknown_cost_value"]}


def test_a_late_costmap_gets_the_newest_grid_and_a_late_reader_the_legend(
    stage, tiny_models, repository, tmp_path
):
    moments = 5
    bag = make_toy_bag(tmp_path / "drive", moments)
    stage.start_node(model=tiny_models["lidar"])
    player = stage.start("bag_player", bag=bag, lockstep=True, rate=100.0, wait_for=TOPICS)
    assert player.wait(120) == 0, player.text

    newest = START + (moments - 1) * PERIOD
    costmap = recipe(repository)
    grids = stage.peer.listen(OccupancyGrid, costmap["occupancy"]["map_topic"], COSTMAP)
    legends = stage.peer.listen(String, "/occ_node/output/legend", COSTMAP)
    wait_until(lambda: newest in stamps(grids) and legends, "the latched outputs")
    check_map(grids[-1], costmap)
    (legend,) = legends
    classes = json.loads(legend.data)["classes"]
    assert [entry["name"] for entry in classes] == list(OCC3D_NUSCENES.names)


def test_a_filter_that_names_no_class_of_the_model_is_refused(stage, tiny_models):
    node = stage.start_node(
        active=False, model=tiny_models["lidar"], ground_classes=["road", "sidewalk"]
    )
    assert node.wait(60) != 0
    assert "ground_classes: found road; expected names of occ3d_nuscenes" in node.text

    stage.start_node(model=tiny_models["lidar"])
    answer = set_parameter(stage, "points_classes", ["cars"])
    assert not answer.successful
    assert "points_classes: found cars" in answer.reason
    for value in (["car", "truck"], [""]):
        assert set_parameter(stage, "points_classes", value).successful
