# SPDX-License-Identifier: Apache-2.0
"""What a later part of a recording lacks, because it was said once: in the first part."""

import logging
from collections.abc import Collection
from pathlib import Path

import numpy as np

from effocc_ros.bags.folder import PART
from effocc_ros.bags.order import CAMERA_INFO, is_static
from effocc_ros.bags.parts import open_part
from effocc_ros.bags.storage import Storage
from effocc_ros.bags.typestore import full_name
from effocc_ros.errors import InputError

logger = logging.getLogger(__name__)


def latched_part(path: Path, topics: Collection[str]) -> Storage | None:
    """Open the first part of a recording for what holds in all of its parts.

    Args:
        path: A storage file that is read alone.
        topics: The topics of which it has messages.

    Returns:
        The first part, with /tf_static and the CameraInfo topics that the file lacks, and nothing
        else; None where there is no such part, or nothing is lacking.
    """
    first = _first_part(path)
    if first is None:
        return None
    try:
        part = open_part(first, first, unfinished=False)
    except InputError as error:
        logger.warning("%s", error)
        return None
    part.topics = {
        id_: topic
        for id_, topic in part.topics.items()
        if topic.name not in topics
        and (is_static(topic.name) or full_name(topic.msgtype) == CAMERA_INFO)
    }
    part.index = part.index[np.isin(part.index["topic"], list(part.topics))]
    names = sorted({topic.name for topic in part.topics.values()})
    if not len(part.index):
        part.close()
        return None
    logger.warning("%s lacks %s, read from %s", path.name, ", ".join(names), first.name)
    return part


def _first_part(path: Path) -> Path | None:
    """Return the part with the lowest number of the recording that a file is a later part of."""
    own = PART.fullmatch(path.name)
    if own is None or not own[2]:
        return None
    numbers = {}
    for file in path.parent.iterdir():
        match = PART.fullmatch(file.name)
        if match and match[2] and match.group(1, 3, 4) == own.group(1, 3, 4):
            numbers[int(match[2])] = file
    lowest = min(numbers)
    return numbers[lowest] if lowest < int(own[2]) else None
