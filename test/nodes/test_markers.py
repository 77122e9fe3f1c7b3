# SPDX-License-Identifier: Apache-2.0
"""Markers as bytes are rclpy's own bytes, and what is gone is deleted."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")

from geometry_msgs.msg import Point, Vector3
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, PointField
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.geometry import OCC3D_GRID
from effocc_ros.nodes.cdr import cdr_bytes
from effocc_ros.nodes.markers import MarkerWriter
from effocc_ros.nodes.to_message import header_message
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.occupancy_views import cubes_per_class

STAMP = 1_532_402_927_647_951_000
CAR, TREE, FREE = 4, 16, OCC3D_NUSCENES.free


def occupancy_of(labels) -> SemanticOccupancy:
    return SemanticOccupancy(STAMP, "base_link", OCC3D_GRID, labels, OCC3D_NUSCENES)


def with_voxels(voxels: dict) -> SemanticOccupancy:
    labels = np.full(OCC3D_GRID.shape, FREE, np.uint8)
    for index, label in voxels.items():
        labels[index] = label
    return occupancy_of(labels)


def written(writer: MarkerWriter, occupancy: SemanticOccupancy) -> MarkerArray:
    return deserialize_message(writer.write(occupancy, cubes_per_class(occupancy)), MarkerArray)


def assert_same_bytes(ours: bytes, message) -> None:
    """Require rclpy's bytes, but for padding: Fast DDS leaves there what the memory held."""
    raw = serialize_message(message)
    assert len(ours) == len(raw)
    ours, theirs = np.frombuffer(ours, np.uint8), np.frombuffer(raw, np.uint8)
    assert not ours[ours != theirs].any()
    kind = type(message)
    assert deserialize_message(ours.tobytes(), kind) == deserialize_message(raw, kind)


def as_objects(occupancy: SemanticOccupancy) -> MarkerArray:
    """The first array of a writer, built of rclpy's objects."""
    header = header_message(STAMP, "base_link")
    markers = [Marker(header=header, action=Marker.DELETEALL)]
    for cubes in cubes_per_class(occupancy):
        red, green, blue = (value / 255.0 for value in cubes.color)
        marker = Marker(header=header, ns=cubes.name, id=cubes.label, type=Marker.CUBE_LIST)
        marker.scale = Vector3(x=0.4, y=0.4, z=0.4)
        marker.color = ColorRGBA(r=red, g=green, b=blue, a=1.0)
        marker.points = [Point(x=x, y=y, z=z) for x, y, z in cubes.centers.tolist()]
        markers.append(marker)
    return MarkerArray(markers=markers)


@pytest.mark.parametrize("density", [0.0, 0.02, 1.0])
def test_the_bytes_are_those_of_rclpy(density):
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 17, OCC3D_GRID.shape).astype(np.uint8)
    labels[generator.random(labels.shape) >= density] = FREE
    occupancy = occupancy_of(labels)
    ours = MarkerWriter().write(occupancy, cubes_per_class(occupancy))
    theirs = as_objects(occupancy)
    assert_same_bytes(ours, theirs)


def test_names_of_every_length_keep_what_follows_aligned():
    for length in range(9):
        marker = Marker(ns="n" * length, text="ä", points=[Point(x=1.0, y=2.0, z=3.0)])
        fields = {"ns": marker.ns, "text": "ä", "points": np.array([[1.0, 2.0, 3.0]])}
        assert_same_bytes(cdr_bytes("visualization_msgs/msg/Marker", fields), marker)


def test_nested_messages_defaults_and_fixed_arrays_are_those_of_rclpy():
    info = CameraInfo(height=900, distortion_model="plumb_bob", d=[0.1, 0.2], k=np.arange(9.0))
    fields = {"height": 900, "distortion_model": "plumb_bob", "d": [0.1, 0.2], "k": np.arange(9.0)}
    assert_same_bytes(cdr_bytes("sensor_msgs/msg/CameraInfo", fields), info)
    field = PointField(name="x", offset=3, datatype=7, count=1)
    fields = {"name": "x", "offset": 3, "datatype": 7, "count": 1}
    assert_same_bytes(cdr_bytes("sensor_msgs/msg/PointField", fields), field)


def test_the_first_array_clears_the_display_and_holds_one_list_per_class():
    occupancy = with_voxels({(0, 0, 0): TREE, (5, 5, 5): TREE, (9, 9, 9): CAR})
    clear, *lists = written(MarkerWriter(), occupancy).markers
    assert clear.action == Marker.DELETEALL
    assert [(m.ns, m.id, len(m.points)) for m in lists] == [("car", CAR, 1), ("vegetation", 16, 2)]
    assert all(m.type == Marker.CUBE_LIST and m.action == Marker.ADD for m in lists)


def test_a_class_that_is_gone_is_deleted_before_the_others_are_drawn_until_it_is_back():
    writer = MarkerWriter()
    both = with_voxels({(0, 0, 0): TREE, (9, 9, 9): CAR})
    tree = with_voxels({(0, 0, 0): TREE})
    written(writer, both)
    for occupancy, expected in (
        (tree, [("car", Marker.DELETE), ("vegetation", Marker.ADD)]),
        (tree, [("car", Marker.DELETE), ("vegetation", Marker.ADD)]),
        (both, [("car", Marker.ADD), ("vegetation", Marker.ADD)]),
        (with_voxels({}), [("car", Marker.DELETE), ("vegetation", Marker.DELETE)]),
    ):
        assert [(m.ns, m.action) for m in written(writer, occupancy).markers] == expected


def test_classes_of_another_list_are_deleted_after_a_swap_of_networks():
    writer = MarkerWriter()
    written(writer, with_voxels({(0, 0, 0): TREE}))
    names = tuple(name.upper() for name in OCC3D_NUSCENES.names)
    other = replace(with_voxels({(0, 0, 0): TREE}), classes=replace(OCC3D_NUSCENES, names=names))
    assert [(m.ns, m.action) for m in written(writer, other).markers] == [
        ("vegetation", Marker.DELETE),
        ("VEGETATION", Marker.ADD),
    ]
