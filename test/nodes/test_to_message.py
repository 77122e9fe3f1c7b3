# SPDX-License-Identifier: Apache-2.0
"""Results become ROS messages that say the same."""

from array import array
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.geometry import VoxelGrid
from effocc_ros.nodes.to_message import BUILDER, stamp_message, stamp_of
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.occupancy_views import labelled_points

STAMP = 1_532_402_927_647_951_000
GRID = VoxelGrid(lower=(-1.0, 2.0, -1.0), voxel_size=(0.4, 0.4, 0.4), shape=(5, 4, 3))
CAR, ROAD, FREE = 4, 11, OCC3D_NUSCENES.free


def small_occupancy(confidence=None):
    """Return a grid with two road voxels and one car voxel."""
    labels = np.full(GRID.shape, FREE, np.uint8)
    labels[0, 0, 0] = labels[4, 3, 0] = ROAD
    labels[2, 1, 2] = CAR
    return SemanticOccupancy(
        stamp=STAMP,
        frame_id="base_link",
        grid=GRID,
        labels=labels,
        classes=OCC3D_NUSCENES,
        confidence=confidence,
        model="fusion_tiny",
        trained=True,
        mode="fusion",
        inputs=("CAM_FRONT", "LIDAR_TOP"),
    )


def test_a_stamp_survives_the_way_there_and_back():
    assert stamp_of(stamp_message(STAMP)) == STAMP
    assert stamp_message(STAMP).nanosec == 647_951_000


def test_the_labels_of_the_message_are_the_grid():
    occupancy = small_occupancy()
    message = BUILDER.occupancy(occupancy)
    labels = np.frombuffer(message.labels, np.uint8).reshape(message.shape)
    assert np.array_equal(labels, occupancy.labels)
    assert len(message.confidence) == 0


def test_labels_that_are_not_contiguous_keep_their_order():
    occupancy = small_occupancy()
    turned = np.asfortranarray(occupancy.labels)
    message = BUILDER.occupancy(replace(occupancy, labels=turned))
    assert message.labels.tobytes() == occupancy.labels.tobytes()


def test_the_message_says_all_that_a_reader_needs():
    confidence = np.arange(60, dtype=np.uint8).reshape(GRID.shape)
    message = BUILDER.occupancy(small_occupancy(confidence))
    assert stamp_of(message.header.stamp) == STAMP
    assert message.header.frame_id == "base_link"
    origin = message.origin
    assert (origin.position.x, origin.position.y, origin.position.z) == (-1.0, 2.0, -1.0)
    assert origin.orientation.w == 1.0
    assert list(message.voxel_size) == [0.4, 0.4, 0.4]
    assert message.free_label == FREE
    assert message.class_names[CAR] == "car"
    assert tuple(message.class_colors[3 * CAR : 3 * CAR + 3]) == OCC3D_NUSCENES.colors[CAR]
    assert bytes(message.confidence) == bytes(range(60))
    assert (message.model, message.trained, message.mode) == ("fusion_tiny", True, "fusion")
    assert list(message.inputs) == ["CAM_FRONT", "LIDAR_TOP"]


def test_large_fields_are_arrays_that_rclpy_takes_without_looking():
    cells = np.array([[-1, 100]], np.int8)
    for field, typecode in (
        (BUILDER.occupancy(small_occupancy()).labels, "B"),
        (BUILDER.grid(small_occupancy(), cells).data, "b"),
    ):
        assert isinstance(field, array)
        assert field.typecode == typecode


def test_the_cloud_holds_centre_label_and_colour_of_each_voxel():
    points = labelled_points(small_occupancy())
    message = BUILDER.point_cloud(STAMP, "base_link", points)
    assert (message.height, message.width, message.point_step) == (1, 3, 18)
    offsets = {field.name: (field.offset, field.datatype) for field in message.fields}
    assert offsets == {
        "x": (0, 7),
        "y": (4, 7),
        "z": (8, 7),
        "rgb": (12, 7),
        "label": (16, 2),
        "confidence": (17, 2),
    }
    data = np.frombuffer(message.data, np.uint8).reshape(3, 18)
    xyz = data[:, :12].copy().view(np.float32)
    car = data[:, 16] == CAR
    np.testing.assert_allclose(xyz[car][0], (0.0, 2.6, 0.0), atol=1e-6)
    blue, green, red, _ = data[car][0, 12:16]
    assert (red, green, blue) == OCC3D_NUSCENES.colors[CAR]


def test_the_grid_has_x_fastest_and_lies_at_the_corner():
    cells = np.array([[0, 100, -1, 0, 0]] + [[-1] * 5] * 3, np.int8)
    message = BUILDER.grid(small_occupancy(), cells)
    assert (message.info.width, message.info.height) == (5, 4)
    assert message.info.resolution == pytest.approx(0.4)
    assert (message.info.origin.position.x, message.info.origin.position.y) == (-1.0, 2.0)
    assert list(message.data[:5]) == [0, 100, -1, 0, 0]
