# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from effocc_ros.bags.messages import (
    camera_info_message,
    compressed_image_message,
    occupancy_message,
    point_cloud_message,
    read_occupancy,
    transform_message,
)
from effocc_ros.bags.typestore import base_typestore
from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.errors import InputError
from effocc_ros.geometry import VoxelGrid, rigid
from effocc_ros.messages import MessageBuilder
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.occupancy_views import labelled_points

STAMP = 1_532_402_927_647_951_000
VISION_CLASS, LABEL_INFO = "vision_msgs/msg/VisionClass", "vision_msgs/msg/LabelInfo"
GRID = VoxelGrid(lower=(-1.0, -2.0, -3.0), voxel_size=(0.5, 0.5, 0.25), shape=(2, 3, 4))


def over_the_wire(message):
    """What a subscriber gets: serialised and read again."""
    store = base_typestore()
    return store.deserialize_cdr(
        store.serialize_cdr(message, message.__msgtype__), message.__msgtype__
    )


def occupancy(**fields) -> SemanticOccupancy:
    labels = (np.arange(24, dtype=np.uint8) % 18).reshape(GRID.shape)
    return SemanticOccupancy(STAMP, "base_link", GRID, labels, OCC3D_NUSCENES, **fields)


def test_the_grid_is_one_line_away_from_the_message():
    sent = occupancy(
        model="fusion_r18", trained=True, mode="fusion", inputs=("CAM_FRONT", "LIDAR")
    )
    m = over_the_wire(occupancy_message(sent))
    grid = np.frombuffer(m.labels, np.uint8).reshape(m.shape)
    assert np.array_equal(grid, sent.labels)
    assert m.header.stamp.sec * 10**9 + m.header.stamp.nanosec == STAMP
    assert m.header.frame_id == "base_link"
    assert (m.origin.position.x, m.origin.position.y, m.origin.position.z) == (-1.0, -2.0, -3.0)
    assert m.origin.orientation.w == 1.0
    assert m.voxel_size.tolist() == [0.5, 0.5, 0.25]
    assert (m.free_label, len(m.class_names), len(m.class_colors)) == (17, 18, 54)
    assert m.class_colors[12:15].tolist() == [0, 130, 255]
    assert (m.model, m.trained, m.mode, m.inputs) == (
        "fusion_r18",
        True,
        "fusion",
        ["CAM_FRONT", "LIDAR"],
    )


def test_confidence_is_empty_when_off_and_whole_when_on():
    assert len(over_the_wire(occupancy_message(occupancy())).confidence) == 0
    confidence = np.arange(24, dtype=np.uint8).reshape(GRID.shape)
    read = over_the_wire(occupancy_message(occupancy(confidence=confidence)))
    assert read.confidence.tolist() == list(range(24))


def test_labels_that_are_a_view_are_sent_in_the_order_of_x_y_z():
    labels = np.asfortranarray(occupancy().labels)
    sent = SemanticOccupancy(STAMP, "base_link", GRID, labels, OCC3D_NUSCENES)
    assert occupancy_message(sent).labels.tolist() == labels.ravel(order="C").tolist()


def test_a_cloud_keeps_the_bytes_and_the_layout_of_its_points():
    points = labelled_points(occupancy())
    m = over_the_wire(point_cloud_message(STAMP, "base_link", points))
    assert [(f.name, f.offset, f.datatype) for f in m.fields] == [
        ("x", 0, 7),
        ("y", 4, 7),
        ("z", 8, 7),
        ("rgb", 12, 7),
        ("label", 16, 2),
        ("confidence", 17, 2),
    ]
    assert (m.height, m.width, m.point_step, m.row_step) == (1, 23, 18, 414)
    assert m.data.tobytes() == points.tobytes()


def test_the_cloud_of_a_network_with_flow_has_velocities():
    flow = np.full((*GRID.shape, 2), (1.5, -2.0), np.float32)
    m = over_the_wire(point_cloud_message(0, "a", labelled_points(occupancy(flow=flow))))
    assert [(f.name, f.offset, f.datatype) for f in m.fields[-2:]] == [
        ("vx", 18, 7),
        ("vy", 22, 7),
    ]
    velocities = np.lib.stride_tricks.as_strided(m.data[18:], (m.width, 8), (m.point_step, 1))
    assert np.unique(velocities.copy().view(np.float32), axis=0).tolist() == [[1.5, -2.0]]


def test_an_empty_cloud_is_a_cloud():
    m = over_the_wire(point_cloud_message(0, "a", np.zeros(0, [("x", "<f4")])))
    assert (m.width, len(m.data)) == (0, 0)


def test_a_field_that_ros_cannot_name_is_refused():
    with pytest.raises(InputError, match="point field time: found dtype int64"):
        point_cloud_message(0, "a", np.zeros(1, [("time", np.int64)]))


def test_a_message_of_a_known_class_list_is_read_with_its_ground():
    assert read_occupancy(over_the_wire(occupancy_message(occupancy()))).classes == OCC3D_NUSCENES
    renamed = replace(OCC3D_NUSCENES, names=tuple("abcdefghijklmnopqr"))
    sent = occupancy_message(replace(occupancy(), classes=renamed))
    read = read_occupancy(over_the_wire(sent)).classes
    assert (read.names, read.ground) == (renamed.names, ())


def test_label_info_names_every_class():
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg("uint16 class_id\nstring class_name", VISION_CLASS))
    text = f"std_msgs/Header header\n{VISION_CLASS}[] class_map\nfloat32 threshold"
    store.register(get_types_from_msg(text, LABEL_INFO))
    builder = MessageBuilder(lambda msgtype, **fields: store.types[msgtype](**fields))
    raw = store.serialize_cdr(builder.label_info(STAMP, "a", OCC3D_NUSCENES, 0.25), LABEL_INFO)
    m = store.deserialize_cdr(raw, LABEL_INFO)
    assert [(c.class_id, c.class_name) for c in m.class_map[:2]] == [(0, "others"), (1, "barrier")]
    assert (len(m.class_map), m.threshold, m.header.frame_id) == (18, 0.25, "a")


def test_camera_info_says_the_same_thing_in_k_and_p():
    k = np.array([[1000.0, 0, 800], [0, 1001, 450], [0, 0, 1]])
    m = over_the_wire(camera_info_message(STAMP, "CAM", k, (900, 1600)))
    assert (m.height, m.width) == (900, 1600)
    assert np.array_equal(m.k.reshape(3, 3), k)
    assert np.array_equal(m.p.reshape(3, 4)[:, :3], k)
    assert m.p.reshape(3, 4)[:, 3].tolist() == [0, 0, 0]
    assert np.array_equal(m.r.reshape(3, 3), np.eye(3))
    assert not m.d.any()


def test_an_encoded_image_passes_through():
    m = over_the_wire(compressed_image_message(STAMP, "CAM", b"\xff\xd8 jpeg"))
    assert (m.format, m.data.tobytes()) == ("jpeg", b"\xff\xd8 jpeg")


def test_a_transform_is_the_pose_of_the_child_in_the_parent():
    half = np.sqrt(0.5)
    m = over_the_wire(
        transform_message(STAMP, "map", "base_link", rigid((half, 0, 0, half), (1, 2, 3)))
    )
    assert (m.header.frame_id, m.child_frame_id) == ("map", "base_link")
    assert (m.transform.translation.x, m.transform.translation.z) == (1.0, 3.0)
    assert m.transform.rotation.w == pytest.approx(half)
    assert m.transform.rotation.z == pytest.approx(half)
