"""The end of a ROS process: with 0 on a signal, in good order where there is time for it."""

import os
import signal
import sys
import threading
from typing import NoReturn

from effocc_ros.nodes.transport import TRANSPORTS

SIGNALS = (signal.SIGINT, signal.SIGTERM)

GRACE_SECONDS = 1.0
"""How long what is in hand when a signal comes may take; it is given up then."""


def teardown_may_hang() -> bool:
    """Return whether Fast DDS carries data over TCP in this process.

    Its TCP transport (3.2) closes a channel by waiting for its own reader thread, which may sit
    in ``poll`` for ever when the peer is still there: about one exit in a hundred then hangs. The
    transport is part of ``LARGE_DATA``.
    """
    return "LARGE_DATA" in os.environ.get(TRANSPORTS, "")


def leave(code: int) -> NoReturn:
    """End the process now, without the interpreter's own end, which takes PyTorch seconds.

    Args:
        code: The exit code.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def leave_on_signal() -> None:
    """Let SIGINT and SIGTERM end the process with 0 at once, while there is nothing to finish."""
    for number in SIGNALS:
        signal.signal(number, lambda *_: leave(0))


def leave_within(seconds: float) -> None:
    """End the process with 0 after some time, whatever its threads are doing then."""
    timer = threading.Timer(seconds, leave, args=(0,))
    timer.daemon = True
    timer.start()
