# SPDX-License-Identifier: Apache-2.0
"""From the bytes of a message to its fields."""

from collections.abc import Iterable
from typing import Any

from rosbags.typesys.store import Typestore

from effocc_ros.errors import InputError


def decode(
    raw: bytes, msgtype: str, stores: Iterable[Typestore], where: str, log_time: int
) -> Any:
    """Return a message with its fields; arrays are read-only views of its bytes.

    Args:
        raw: CDR with its 4-byte header.
        msgtype: Its type.
        stores: Where the type may be defined; the first in which the bytes fit it is taken.
        where: Topic and bag, for errors.
        log_time: When it was recorded, nanoseconds, for errors.

    Raises:
        InputError: The bytes are not a message of this type, or the type is unknown.
    """
    failures: list[Exception] = []
    for store in stores:
        if msgtype not in store.fielddefs:
            continue
        try:
            # A view, because slicing bytes would copy the whole message.
            return store.deserialize_cdr(memoryview(raw), msgtype)
        except Exception as error:  # rosbags raises whatever the bytes lead it to
            failures.append(error)
    found = f"{len(raw)} bytes at {log_time} ns"
    if failures:
        raise InputError(
            where,
            found=f"{found} that cannot be decoded ({failures[0]})",
            expected=f"a {msgtype}",
            reason="bad_message",
        )
    raise InputError(
        where,
        found=f"{found} of type {msgtype}, which is not known here",
        expected="a type of ROS 2, or a bag that carries its definition",
        do="Record as MCAP: it carries the definitions",
        reason="unknown_type",
    )
