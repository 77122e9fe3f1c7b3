"""The end of a ROS process: orderly where that is safe, at once where it may hang."""

import os
import sys

from effocc_ros.nodes.transport import TRANSPORTS


def teardown_may_hang() -> bool:
    """Return whether Fast DDS carries data over TCP in this process.

    Its TCP transport (3.2) closes a channel by waiting for its own reader thread, which may sit
    in ``poll`` for ever when the peer is still there: about one exit in a hundred then hangs. The
    transport is part of ``LARGE_DATA``.
    """
    return "LARGE_DATA" in os.environ.get(TRANSPORTS, "")


def leave(code: int) -> int:
    """End the process with an exit code, without taking DDS down where that may hang.

    Call it last, with publishers, files and threads closed. Peers notice the end when sockets
    close and the participant's lease runs out.

    Args:
        code: The exit code.

    Returns:
        The code, where the process may end as usual.
    """
    if teardown_may_hang():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code
