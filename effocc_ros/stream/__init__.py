"""From sensor messages to Frames, without ROS."""

from effocc_ros.stream.config import INTENSITY, StreamConfig, rectified_cameras
from effocc_ros.stream.report import InputStatistics, Problem, SensorState, StreamStatistics
from effocc_ros.stream.stream import Stream
from effocc_ros.stream.synchronizer import SyncConfig, Trigger

__all__ = [
    "INTENSITY",
    "InputStatistics",
    "Problem",
    "SensorState",
    "Stream",
    "StreamConfig",
    "StreamStatistics",
    "SyncConfig",
    "Trigger",
    "rectified_cameras",
]
