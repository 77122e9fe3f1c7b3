# SPDX-License-Identifier: Apache-2.0
"""A bag's own definitions of its types: used where they can be, never the end of the bag."""

import pytest
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

from effocc_ros.bags.typestore import bag_typestore

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
