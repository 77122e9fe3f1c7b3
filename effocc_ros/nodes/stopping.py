"""End on SIGINT or SIGTERM in good order, with the ROS context still alive."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import rclpy
from rclpy.signals import SignalHandlerOptions

from effocc_ros.nodes.leaving import teardown_may_hang

SPIN_SECONDS = 0.1
"""How long an executor may wait before it looks for a signal again."""


@contextmanager
def ros_until_signal(args: list[str] | None = None) -> Iterator[threading.Event]:
    """Start rclpy and give an event that SIGINT and SIGTERM set.

    rclpy's own handlers shut the context down at once; publishers then fail in whatever thread
    uses them. Here the context lives until the block ends, so a node can finish what it does;
    its nodes are destroyed then, or left to the end of the process (``leave``).

    Args:
        args: Command-line arguments, ``--ros-args`` among them; None for the process's own.

    Yields:
        The event: end the block soon after it is set.
    """
    stop = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in signals}
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
