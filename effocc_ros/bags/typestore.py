# SPDX-License-Identifier: Apache-2.0
"""Message types for bags: those of ROS 2, our own, and what a bag brings with it."""

from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
from rosbags.typesys import Stores, TypesysError, get_types_from_idl, get_types_from_msg
from rosbags.typesys import get_typestore as rosbags_typestore
from rosbags.typesys.store import Typestore

from effocc_ros.messages import OCCUPANCY_TYPE
from effocc_ros.resources import resource_path
from effocc_ros.voxel_grids import FOXGLOVE_TYPE, NAV2_TYPE

VOXEL_GRID_FIELDS = {
    "foxglove_msgs/msg/PackedElementField": """
        string name
        uint32 offset
        uint8 UNKNOWN=0
        uint8 UINT8=1
        uint8 INT8=2
        uint8 UINT16=3
        uint8 INT16=4
        uint8 UINT32=5
        uint8 INT32=6
        uint8 FLOAT32=7
        uint8 FLOAT64=8
        uint8 type
    """,
    FOXGLOVE_TYPE: """
        builtin_interfaces/Time timestamp
        string frame_id
        geometry_msgs/Pose pose
        uint32 row_count
        uint32 column_count
        geometry_msgs/Vector3 cell_size
        uint32 slice_stride
        uint32 row_stride
        uint32 cell_stride
        foxglove_msgs/PackedElementField[] fields
        uint8[] data
    """,
    NAV2_TYPE: """
        std_msgs/Header header
        uint32[] data
        geometry_msgs/Point32 origin
        geometry_msgs/Vector3 resolutions
        uint32 size_x
        uint32 size_y
        uint32 size_z
    """,
}
"""Types that no distribution of ROS 2 has by itself; Foxglove's as its schemas of 2026 are."""

IDL_SEPARATOR = "=" * 80 + "\n"


@lru_cache(maxsize=1)
def base_typestore() -> Typestore:
    """Return the store of ROS 2's common types, our SemanticOccupancy and others' voxel grids."""
    store = rosbags_typestore(Stores.ROS2_JAZZY)
    text = resource_path("msg/SemanticOccupancy.msg").read_text(encoding="utf-8")
    store.register(get_types_from_msg(text, OCCUPANCY_TYPE))
    for msgtype, fields in VOXEL_GRID_FIELDS.items():
        store.register(get_types_from_msg(fields, msgtype))
    return store


def bag_typestore(definitions: Iterable[tuple[str, MessageDefinition]]) -> Typestore:
    """Return a store in which the definitions that travelled with a bag come first.

    Args:
        definitions: Type names and their definitions, as recorded.

    Returns:
        ``base_typestore()`` itself when the bag brings nothing new; else a store of its own. A
        definition that cannot be parsed is left out: messages of that type stay raw bytes. Of
        types that no bag may define anew, such as Time, ours hold.
    """
    base = base_typestore()
    types = {}
    for msgtype, definition in definitions:
        types.update(_parsed(msgtype, definition))
    if all(name in base.fielddefs and _same(base, name, fields) for name, fields in types.items()):
        return base
    store = rosbags_typestore(Stores.EMPTY)
    fixed = store.fielddefs.keys()
    # Of what is the same as ours, ours: a definition may differ in upper and lower case.
    types = {
        name: fields
        for name, fields in types.items()
        if name not in fixed and not (name in base.fielddefs and _same(base, name, fields))
    }
    try:
        store.register({**base.fielddefs, **types})
    except TypesysError:  # definitions that name each other, or what is nowhere
        return base
    return store


@lru_cache(maxsize=256)
def _parsed(msgtype: str, definition: MessageDefinition) -> dict:
    with suppress(Exception):  # rosbags raises whatever a broken text leads it to
        if definition.format == MessageDefinitionFormat.MSG:
            return get_types_from_msg(definition.data, msgtype)
        if definition.format == MessageDefinitionFormat.IDL:
            return _parsed_idl(definition.data)
    return {}


def _parsed_idl(text: str) -> dict:
    if not text.startswith(f"{IDL_SEPARATOR}IDL: "):
        return get_types_from_idl(text)
    types = {}
    for part in text.split(IDL_SEPARATOR)[1:]:
        types.update(get_types_from_idl(part.partition("\n")[2]))
    return types


def _same(store: Typestore, name: str, definition: tuple) -> bool:
    known = [(field.lower(), kind) for field, kind in store.fielddefs[name][1]]
    return known == [(field.lower(), kind) for field, kind in definition[1]]


def full_name(msgtype: str) -> str:
    """Return ``package/msg/Name`` also for the old spelling ``package/Name``."""
    parts = msgtype.split("/")
    return f"{parts[0]}/msg/{parts[1]}" if len(parts) == 2 else msgtype
