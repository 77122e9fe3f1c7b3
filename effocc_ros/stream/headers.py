# SPDX-License-Identifier: Apache-2.0
"""Stamps and frames of message headers."""

from typing import Any

from effocc_ros.errors import InputError
from effocc_ros.stamps import NANOSECONDS


def stamp_of(message: Any, source: str) -> int:
    """Return a message's header stamp in nanoseconds.

    Raises:
        InputError: The stamp is zero: nobody filled it in.
    """
    stamp = message.header.stamp
    nanoseconds = int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)
    if nanoseconds <= 0:
        raise InputError(
            f"header.stamp of {source}",
            found=f"{stamp.sec}.{int(stamp.nanosec):09d}",
            expected="the time at which the sensor measured",
            do="Let the driver stamp its messages; sensors cannot be matched without",
            reason="zero_stamp",
        )
    return nanoseconds


def no_frame_id(source: str) -> InputError:
    """Return what to say of a sensor whose messages do not name their tf frame."""
    return InputError(
        f"header.frame_id of {source}",
        found="an empty text",
        expected="the tf frame of the sensor",
        do="Set it in the driver, or give a calibration file that says where it is",
        reason="empty_frame_id",
    )
