# SPDX-License-Identifier: Apache-2.0
"""A real nuScenes keyframe goes the whole way: bag, player, DDS, node, every output."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from helpers.real_frame import LIDAR_STAMP, make_real_frame_bag
from helpers.tiny_model import tiny_config
from helpers.toy_drive import TOPICS
from helpers.waiting import wait_until
from nav_msgs.msg import OccupancyGrid
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import Marker, MarkerArray

from effocc_ros.bags.frames import read_frame
from effocc_ros.frame import NUSCENES_CAMERAS, Frame
from effocc_ros.msg import SemanticOccupancy
from effocc_ros.nodes.to_message import stamp_of
from effocc_ros.occupancy import SemanticOccupancy as Occupancy
from effocc_ros.occupancy_views import navigation_grid
from effocc_ros.predictor import Predictor
from effocc_ros.preprocess import preprocess
from effocc_ros.presets import load_preset
from effocc_ros.rig import load_rig

pytestmark = pytest.mark.integration

SHAPE = (200, 200, 16)
POINT = np.dtype(
    {
        "names": ["x", "y", "z", "rgb", "label"],
        "formats": ["<f4", "<f4", "<f4", "<u4", "u1"],
        "offsets": [0, 4, 8, 12, 16],
        "itemsize": 18,
    }
)


def test_a_real_frame_through_the_node_is_what_the_predictor_says(
    stage, tiny_models, data_dir, tmp_path
):
    bag = make_real_frame_bag(data_dir, tmp_path / "real")
    occupancies = stage.peer.listen(SemanticOccupancy, "/occ_node/output/occupancy")
    clouds = stage.peer.listen(PointCloud2, "/occ_node/output/points")
    markers = stage.peer.listen(MarkerArray, "/occ_node/output/markers")
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    grids = stage.peer.listen(OccupancyGrid, "/occ_node/output/grid", latched)
    stage.start_node(model=tiny_models["fusion"], markers_min_height=0.0, max_wait=10.0)
    player = stage.start("bag_player", bag=bag, lockstep=True, wait_for=TOPICS)
    assert player.wait(120) == 0, player.text
    wait_until(lambda: occupancies and clouds and markers and grids, "all four outputs")

    (message,), (cloud,), (array,), (grid,) = occupancies, clouds, markers, grids
    labels = np.frombuffer(message.labels, np.uint8).reshape(message.shape)
    check_geometry(message)
    frame = read_frame(bag, load_rig("nuscenes"), tiny_config("fusion"), LIDAR_STAMP)
    expected = predicted(frame, tiny_models["fusion"])
    assert len(np.unique(labels)) > 5, "a network whose answer does not depend on its input"
    assert np.array_equal(labels, expected.labels)
    check_cloud(cloud, labels, message)
    check_markers(array, labels, message)
    assert (grid.info.width, grid.info.height) == (200, 200)
    assert grid.info.resolution == pytest.approx(0.4)
    cells = np.array(grid.data, np.int8).reshape(200, 200)
    assert np.array_equal(cells, navigation_grid(expected))


def test_depth_pixels_of_the_real_frame_land_where_the_official_code_puts_them(
    data_dir, reference_dir, tmp_path
):
    bag = make_real_frame_bag(data_dir, tmp_path / "real")
    preset = load_preset("fusion_r18")
    frame = read_frame(bag, load_rig("nuscenes"), preset, LIDAR_STAMP)
    depth = preprocess(frame, preset).depth[0].numpy()
    vector = np.load(reference_dir / "parity" / "f_preprocess.npz")
    assert tuple(vector["cam_order"]) == tuple(preset.cameras)
    official = np.zeros(depth.size, np.float32)
    official[vector["depth_index"]] = vector["depth_value"]
    official = official.reshape(depth.shape)

    # The vector adds a second sweep, which may hide returns of the keyframe and adds others. Its
    # camera poses were recovered to some 0.01 mm, so a return may cross the border of a pixel.
    seen = depth > 0
    assert seen.sum() > 15_000
    near = np.stack([cv2.dilate(image, np.ones((3, 3))) for image in official]) > 0
    assert near[seen].all()
    both = seen & (official > 0)
    assert both.sum() > 0.99 * seen.sum()
    assert (np.abs(official - depth)[both] < 0.001).mean() > 0.95


def check_geometry(message: SemanticOccupancy) -> None:
    assert stamp_of(message.header.stamp) == LIDAR_STAMP
    assert message.header.frame_id == "base_link"
    assert tuple(message.shape) == SHAPE
    assert list(message.voxel_size) == [0.4, 0.4, 0.4]
    origin = message.origin.position
    assert (origin.x, origin.y, origin.z) == (-40.0, -40.0, -1.0)
    assert list(message.inputs) == [*NUSCENES_CAMERAS, "LIDAR_TOP"]
    assert message.free_label == 17


def predicted(frame: Frame, model: Path) -> Occupancy:
    torch.set_num_threads(1)
    with Predictor(model, "cpu") as predictor:
        return predictor.predict(frame)


def check_cloud(cloud: PointCloud2, labels, message: SemanticOccupancy) -> None:
    points = np.frombuffer(cloud.data, POINT)
    xyz = np.stack([points["x"], points["y"], points["z"]], axis=1)
    index = np.floor((xyz - (-40.0, -40.0, -1.0)) / 0.4).astype(int)
    assert np.array_equal(labels[tuple(index.T)], points["label"])
    assert np.array_equal(np.unique(index, axis=0), np.argwhere(visible(labels)))
    colors = np.array(message.class_colors, np.uint32).reshape(-1, 3)
    packed = colors[:, 0] << 16 | colors[:, 1] << 8 | colors[:, 2]
    assert np.array_equal(points["rgb"], packed[points["label"]])
    assert cloud.header == message.header


def check_markers(array: MarkerArray, labels, message: SemanticOccupancy) -> None:
    """Heights below 0 m were left out by parameter: the two lowest voxel layers."""
    labels = labels.copy()
    labels[:, :, :2] = message.free_label
    counts = np.bincount(labels[visible(labels)], minlength=18)
    lists = [marker for marker in array.markers if marker.action == Marker.ADD]
    assert {m.ns: len(m.points) for m in lists} == {
        name: count for name, count in zip(message.class_names, counts, strict=True) if count
    }


def visible(labels):
    """Occupied voxels with a free neighbour, or at the border; worked out the slow way."""
    solid = np.pad(labels != 17, 1)
    enclosed = np.ones_like(labels, bool)
    for axis in range(3):
        for step in (-1, 1):
            enclosed &= np.roll(solid, step, axis)[1:-1, 1:-1, 1:-1]
    return (labels != 17) & ~enclosed
