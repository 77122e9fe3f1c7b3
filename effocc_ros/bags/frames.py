# SPDX-License-Identifier: Apache-2.0
"""One moment of a bag as a Frame."""

from pathlib import Path

from effocc_ros.bags.feeding import feeding
from effocc_ros.bags.reader import BagReader
from effocc_ros.errors import InputError
from effocc_ros.frame import Frame
from effocc_ros.networks.config import ModelConfig
from effocc_ros.rig import Rig
from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream import Stream, Trigger


def read_frame(path: Path | str, rig: Rig, model: ModelConfig, stamp: int) -> Frame:
    """Read the Frame that the node makes of a bag at one reference stamp.

    Args:
        path: The bag.
        rig: Which topics are which sensors.
        model: The network that the Frame is for.
        stamp: Reference stamp, nanoseconds since the epoch.

    Raises:
        InputError: The bag has no reference message of that stamp, or no Frame can be made of it.
    """
    with BagReader(path) as bag:
        trigger, stream = _trigger_at(bag, rig, model, stamp)
        frame = None if trigger is None else stream.assemble(trigger)
    if frame is None:
        raise InputError(
            f"bag {path}",
            found=f"no frame at {stamp} ns",
            expected="the stamp of a reference message with its inputs",
            reason="no_such_frame",
        )
    return frame


def _trigger_at(
    bag: BagReader, rig: Rig, model: ModelConfig, stamp: int
) -> tuple[Trigger | None, Stream]:
    fed = feeding(bag, rig, model)
    stream = Stream(fed.stream_config(model, interval_s=0.0))
    feeders = fed.feeders(stream)
    for message in bag.messages([topic for topic in feeders if topic in bag.topics]):
        now = message.moment / NANOSECONDS
        feeders[message.topic](message.decode(), now, message.log_time / NANOSECONDS)
        for trigger in stream.poll(now):
            if trigger.stamp == stamp:
                return trigger, stream
    left = (trigger for trigger in stream.flush() if trigger.stamp == stamp)
    return next(left, None), stream
