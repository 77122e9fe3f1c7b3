"""End on SIGINT or SIGTERM in good order, with the ROS context still alive."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import rclpy
from rclpy.signals import SignalHandlerOptions

from effocc_ros.nodes.leaving import GRACE_SECONDS, SIGNALS, leave_within, teardown_may_hang

SPIN_SECONDS = 0.1
"""How long an executor may wait before it looks for a signal again."""


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
