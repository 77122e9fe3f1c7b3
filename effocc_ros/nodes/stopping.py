# SPDX-License-Identifier: Apache-2.0
"""The end of a ROS process: with 0 on a signal, in good order where there is time for it."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from effocc_ros.nodes.transport import TRANSPORTS

SIGNALS = (signal.SIGINT, signal.SIGTERM)

GRACE_SECONDS = 1.0
"""How long what is in hand when a signal comes may take; it is given up then."""

SPIN_SECONDS = 0.1
"""How long an executor may wait before it looks for a signal again."""


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
        code: The exit code, whether or not what was printed can still be written: nobody may
            read it any more, and a signal may come in the middle of a print.
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None: closed before Python started
        with suppress(OSError, RuntimeError, ValueError):
            stream.flush()
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


@contextmanager
def ros_until_signal(
    args: list[str] | None = None, grace: float | None = GRACE_SECONDS
) -> Iterator[threading.Event]:
    """Start rclpy and give an event that SIGINT and SIGTERM set.

    rclpy's own handlers shut the context down at once; publishers then fail in whatever thread
    uses them. Here the context lives until the block ends, so a node can finish what it does.

    Args:
        args: Command-line arguments, ``--ros-args`` among them; None for the process's own.
        grace: Seconds after a signal in which the block must end, or the process does; None where
            it may take its time.

    Yields:
        The event: end the block soon after it is set.
    """
    # Not at the top: a process must be able to leave before it may import rclpy.
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    stop = threading.Event()

    def told(*_: object) -> None:
        if grace is not None and not stop.is_set():
            leave_within(grace)
        stop.set()

    before = {number: signal.signal(number, told) for number in SIGNALS}
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        try:
            yield stop
        finally:
            if not teardown_may_hang():
                rclpy.try_shutdown()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
