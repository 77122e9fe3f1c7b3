"""From the node's parameters to the stream's configuration."""

from effocc_ros.stream import StreamConfig


def stream_config(settings, config):
    return StreamConfig()
