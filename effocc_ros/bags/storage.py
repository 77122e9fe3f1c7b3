# SPDX-License-Identifier: Apache-2.0
"""What every storage file offers, whatever its kind: topics, an index of messages, their bytes."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat, Qos
from rosbags.rosbag2.metadata import parse_qos

CDR = "cdr"
"""How ROS 2 serialises messages."""

INDEX = np.dtype([("topic", "<i4"), ("log_time", "<i8"), ("block", "<i8"), ("at", "<i8")])
"""One message: its topic's id, its log time (nanoseconds), and where it is in the file."""

_FORMATS = {
    "ros2msg": MessageDefinitionFormat.MSG,
    "ros2idl": MessageDefinitionFormat.IDL,
    "omgidl": MessageDefinitionFormat.IDL,
}


class BrokenStorage(ValueError):
    """A storage file that does not hold what it should."""


@dataclass(frozen=True)
class StoredTopic:
    """One topic of a storage file.

    Attributes:
        id: Its number in the file; a topic that two nodes publish may have two.
        name: The topic.
        msgtype: As recorded.
        encoding: How its messages are serialised.
        definition: The definition of its type, where it was recorded.
        definition_kind: The language of that definition, as the file names it.
        qos: The profiles its publishers offered.
    """

    id: int
    name: str
    msgtype: str
    encoding: str
    definition: MessageDefinition
    definition_kind: str = ""
    qos: tuple[Qos, ...] = ()


class Entry(NamedTuple):
    """Where one message is: a row of :data:`INDEX` as Python integers."""

    topic: int
    log_time: int
    block: int
    at: int


class Storage(Protocol):
    """An open storage file."""

    name: str
    topics: dict[int, StoredTopic]
    index: NDArray
    """Rows of :data:`INDEX` in the order of the file."""

    def read(self, entry: Entry, most: int | None = None) -> bytes:
        """Return the bytes of a message, or its first ``most``."""

    def close(self) -> None:
        """Close the file."""


def definition_of(kind: str, text: str) -> MessageDefinition:
    """Return a recorded definition; none where its language is not ROS 2's."""
    form = _FORMATS.get(kind, MessageDefinitionFormat.NONE)
    return MessageDefinition(form, text if form != MessageDefinitionFormat.NONE else "")


def offered_qos(recorded: str) -> tuple[Qos, ...]:
    """Return recorded QoS profiles; none where they cannot be read, as they are only advice."""
    try:
        return tuple(parse_qos(recorded))
    except Exception:  # YAML of any shape: the library raises whatever it leads to
        return ()
