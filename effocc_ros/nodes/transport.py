# SPDX-License-Identifier: Apache-2.0
"""How processes of one machine exchange messages over Fast DDS."""

import os
from collections.abc import Mapping
from pathlib import Path

TRANSPORTS = "FASTDDS_BUILTIN_TRANSPORTS"

LARGE_MESSAGES = "LARGE_DATA?max_msg_size=1MB&sockets_size=4MB&non_blocking=false"
"""Transports for raw images that are sent best effort: TCP and shared memory, large buffers.

By default Fast DDS loses nearly all of them on loopback. This is no default of ours all the same:
with three or more processes about one start in forty found no peer over it (Fast DDS 3.2.3), and
reliable or compressed images do not need it.
"""

PUBLICATION_MODE = "RMW_FASTRTPS_PUBLICATION_MODE"

PROFILES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
"""Variables that name a file in which transports may be chosen, too."""

PROFILE_FILES = ("DEFAULT_FASTDDS_PROFILES.xml", "DEFAULT_FASTRTPS_PROFILES.xml")
"""The same, found by Fast DDS in the working directory."""

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
    if large_messages:
        environment[TRANSPORTS] = LARGE_MESSAGES
    if domain is not None:
        environment["ROS_DOMAIN_ID"] = str(domain)
    return environment


def default_transports(environment: Mapping[str, str]) -> dict[str, str]:
    """Return variables that let a process hear drivers over UDP instead of shared memory.

    Over shared memory Fast DDS may stop a process, and the drivers that it listens to, for a third
    of a second when another process appears. Returns {} if the user chose: named transports or a
    file of profiles in the environment, or put such a file into the working directory.
    """
    named = any(environment.get(name) for name in (TRANSPORTS, *PROFILES))
    found = any(Path(name).is_file() for name in PROFILE_FILES)
    return {} if named or found else {TRANSPORTS: "UDPv4"}


def choose_middleware_defaults() -> None:
    """Choose how this process sends and receives over Fast DDS, where its user did not.

    The choice counts for participants that are made afterwards; other middlewares know no such
    variables.

    - UDP instead of shared memory, see :func:`default_transports`.
    - A thread of Fast DDS sends what is published: by default ``publish`` does, and rclpy holds
      Python's lock meanwhile. A publication that took 0.34 s, after another process had been
      killed, kept the whole node from hearing anything.
    """
    os.environ.update(default_transports(os.environ))
    os.environ.setdefault(PUBLICATION_MODE, "ASYNCHRONOUS")
