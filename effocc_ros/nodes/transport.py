# SPDX-License-Identifier: Apache-2.0
"""How processes of one machine exchange messages over Fast DDS."""

import os

TRANSPORTS = "FASTDDS_BUILTIN_TRANSPORTS"

LARGE_MESSAGES = "LARGE_DATA?max_msg_size=1MB&sockets_size=4MB&non_blocking=false"
"""Transports for raw camera images that are sent best effort: TCP, and large buffers.

By default Fast DDS loses nearly all of them on loopback. This is no default of ours all the same:
with three or more processes about one start in forty found no peer over it (Fast DDS 3.2.3), and
reliable or compressed images do not need it.
"""

PUBLICATION_MODE = "RMW_FASTRTPS_PUBLICATION_MODE"

FOREIGN = ("ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY", "ROS_STATIC_PEERS")
"""Variables that would change which transports and peers are used."""


def ros_environment(domain: int | None = None, large_messages: bool = False) -> dict[str, str]:
    """Return the environment in which to start a ROS process that talks to this machine.

    Args:
        domain: ROS domain of the process, 0 to 101; None keeps that of the caller.
        large_messages: Carry raw images that are sent best effort.

    Returns:
        The caller's environment, set up for Fast DDS on this machine. Transports that it names
        stay, unless messages are large.
    """
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "SUBNET"
    environment["RMW_IMPLEMENTATION"] = "rmw_fastrtps_cpp"
    environment.setdefault(TRANSPORTS, "DEFAULT")
    if large_messages:
        environment[TRANSPORTS] = LARGE_MESSAGES
    if domain is not None:
        environment["ROS_DOMAIN_ID"] = str(domain)
    return environment


def publish_asynchronously() -> None:
    """Let a thread of Fast DDS send what this process publishes, unless its user chose a mode.

    By default ``publish`` sends, and rclpy holds Python's lock meanwhile: a publication that took
    0.34 s, after another process had been killed, kept the whole node from hearing anything. The
    mode counts for participants that are made afterwards; other middlewares know no such variable.
    """
    os.environ.setdefault(PUBLICATION_MODE, "ASYNCHRONOUS")
