"""How processes of one machine exchange camera images over DDS without loss."""

import os

LARGE_MESSAGE_TRANSPORT = "LARGE_DATA?max_msg_size=1MB&sockets_size=4MB&non_blocking=false"
"""Fast DDS transports for megabyte messages; its default loses best-effort images on loopback."""

FOREIGN = ("ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY", "ROS_STATIC_PEERS")
"""Variables that make Fast DDS set up other transports than the ones asked for here."""


def ros_environment(domain: int | None = None) -> dict[str, str]:
    """Return the environment in which to start a ROS process that talks to this machine.

    Args:
        domain: ROS domain of the process, 0 to 101; None keeps that of the caller.

    Returns:
        The caller's environment with Fast DDS and its transports for large messages.
    """
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    environment["FASTDDS_BUILTIN_TRANSPORTS"] = LARGE_MESSAGE_TRANSPORT
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "SUBNET"
    environment["RMW_IMPLEMENTATION"] = "rmw_fastrtps_cpp"
    if domain is not None:
        environment["ROS_DOMAIN_ID"] = str(domain)
    return environment
