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

IDL_SEPARATOR = "=" * 80 + "\n"


@lru_cache(maxsize=1)
def base_typestore() -> Typestore:
    """Return the store of ROS 2's common types and our SemanticOccupancy."""
    store = rosbags_typestore(Stores.ROS2_JAZZY)
    text = resource_path("msg/SemanticOccupancy.msg").read_text(encoding="utf-8")
    store.register(get_types_from_msg(text, OCCUPANCY_TYPE))
    return store


def bag_typestore(definitions: Iterable[tuple[str, MessageDefinition]]) -> Typestore:
    """Return a store in which the definitions that travelled with a bag come first.

    Args:
        definitions: Type names and their definitions, as recorded.

    Returns:
        ``base_typestore()`` itself when the bag brings nothing new; else a store of its own. A
        definition that cannot be parsed is left out: messages of that type stay raw bytes.
    """
    base = base_typestore()
    types = {}
    for msgtype, definition in definitions:
        types.update(_parsed(msgtype, definition))
    if all(name in base.fielddefs and _same(base, name, fields) for name, fields in types.items()):
        return base
    store = rosbags_typestore(Stores.EMPTY)
    store.register({**base.fielddefs, **types})
    return store


@lru_cache(maxsize=256)
def _parsed(msgtype: str, definition: MessageDefinition) -> dict:
    with suppress(TypesysError):
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
        types.update(get_types_from_idl(part.split("\n", 1)[1]))
    return types


def _same(store: Typestore, name: str, definition: tuple) -> bool:
    known = [(field.lower(), kind) for field, kind in store.fielddefs[name][1]]
    return known == [(field.lower(), kind) for field, kind in definition[1]]


def full_name(msgtype: str) -> str:
    """Return ``package/msg/Name`` also for the old spelling ``package/Name``."""
    parts = msgtype.split("/")
    return f"{parts[0]}/msg/{parts[1]}" if len(parts) == 2 else msgtype
