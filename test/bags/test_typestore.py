# SPDX-License-Identifier: Apache-2.0
"""A bag's own definitions of its types: used where they can be, never the end of the bag."""

import re

import pytest
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

from effocc_ros.bags.typestore import bag_typestore, base_typestore

HEADER_WITH_SEQ = "uint32 seq\nbuiltin_interfaces/Time stamp\nstring frame_id\n"


def of(text):
    return MessageDefinition(MessageDefinitionFormat.MSG, text)


def fields(store, msgtype):
    return [name for name, _ in store.fielddefs[msgtype][1]]


@pytest.mark.parametrize(
    "bad",
    [
        ("builtin_interfaces/msg/Time", "uint32 secs\nuint32 nsecs\n"),
        ("builtin_interfaces/msg/Duration", "int64 nanoseconds\n"),
        ("my_msgs/msg/Half", "float32 x\nthis is no field at all:\n"),
    ],
)
def test_a_definition_that_cannot_be_used_leaves_the_others_in_force(bad):
    store = bag_typestore([(bad[0], of(bad[1])), ("std_msgs/msg/Header", of(HEADER_WITH_SEQ))])
    assert fields(store, "std_msgs/msg/Header") == ["seq", "stamp", "frame_id"]
    assert fields(store, "builtin_interfaces/msg/Time") == ["sec", "nanosec"]


def test_definitions_that_need_what_is_nowhere_are_not_the_end_of_the_bag():
    store = bag_typestore([("my_msgs/msg/Outer", of("nowhere_msgs/Inner inner\n"))])
    assert fields(store, "sensor_msgs/msg/PointCloud2")[0] == "header"


def test_names_in_capitals_are_ours_also_beside_a_type_that_is_new():
    text, _ = base_typestore().generate_msgdef("sensor_msgs/msg/CameraInfo", ros_version=2)
    capitals = re.sub(r"^(float64\[\d*\]) ([dkrp])$", lambda m: m[0].upper(), text, flags=re.M)
    capitals = capitals.replace("FLOAT64", "float64")
    assert capitals != text
    new = ("my_msgs/msg/Thing", of("int32 q\n"))
    store = bag_typestore([("sensor_msgs/msg/CameraInfo", of(capitals)), new])
    ours = fields(base_typestore(), "sensor_msgs/msg/CameraInfo")
    assert fields(store, "sensor_msgs/msg/CameraInfo") == ours
    assert fields(store, "my_msgs/msg/Thing") == ["q"]


@pytest.mark.parametrize("kept", range(0, 140, 7))
def test_a_definition_in_idl_that_was_cut_is_left_out(kept):
    text = "=" * 80 + "\nIDL: my_msgs/msg/Thing\nmodule my_msgs { module msg { struct Thing {"
    cut = MessageDefinition(MessageDefinitionFormat.IDL, text[:kept])
    store = bag_typestore([("my_msgs/msg/Thing", cut), ("my_msgs/msg/Other", of("int32 q\n"))])
    assert fields(store, "my_msgs/msg/Other") == ["q"]
