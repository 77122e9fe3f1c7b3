# SPDX-License-Identifier: Apache-2.0
"""The executor that costs least, and how the node's threads get a function into it."""

from collections.abc import Callable

from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node

QUIET_SECONDS = 5.0


def cheapest_executor() -> Executor:
    """Return an EventsExecutor where rclpy has one, a SingleThreadedExecutor elsewhere.

    A wait-set executor spends two to three times the CPU per message, and takes one message per
    subscription and round, so that the fastest topic, /tf, falls behind first.
    """
    try:
        from rclpy.experimental.events_executor import EventsExecutor
    except ImportError:
        try:
            from rclpy.executors import EventsExecutor
        except ImportError:
            return SingleThreadedExecutor()
    return EventsExecutor()


def spin_once(executor: Executor, node: Node, seconds: float) -> None:
    """Wait for a message and handle it; exceptions are logged and do not end the node."""
    try:
        executor.spin_once(timeout_sec=seconds)
    except Exception as error:  # raised by a callback, or by a message that cannot be decoded
        text = f"a message was lost: {type(error).__name__}: {error}"
        node.get_logger().error(text, throttle_duration_sec=QUIET_SECONDS)


def call_soon(executor: Executor, function: Callable[[], None]) -> None:
    """Run a function in the executor's thread; may be called from any thread."""
    executor.create_task(function)
