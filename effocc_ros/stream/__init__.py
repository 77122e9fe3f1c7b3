# SPDX-License-Identifier: Apache-2.0
"""From sensor messages to Frames, without ROS."""

from effocc_ros.stream.config import StreamConfig, rectified_cameras, stream_config
from effocc_ros.stream.report import (
    InputStatistics,
    Problem,
    Remark,
    SensorState,
    StreamStatistics,
)
from effocc_ros.stream.stream import Stream
from effocc_ros.stream.sync_config import SyncConfig
from effocc_ros.stream.trigger import LONGEST_WAIT, Trigger

__all__ = [
    "LONGEST_WAIT",
    "InputStatistics",
    "Problem",
    "Remark",
    "SensorState",
    "Stream",
    "StreamConfig",
    "StreamStatistics",
    "SyncConfig",
    "Trigger",
    "rectified_cameras",
    "stream_config",
]
