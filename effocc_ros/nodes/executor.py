# SPDX-License-Identifier: Apache-2.0
"""The executor that costs least, how functions get into it, and whether it keeps up."""

import time
from collections.abc import Callable
from functools import partial

from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node

from effocc_ros.nodes.throttle import QUIET_SECONDS

BEHIND_SECONDS = 0.25
"""An executor is behind when what comes waits longer than this: at 20 messages a second five have
come by then, of the ten that a subscription holds."""

LOOK_SECONDS = 0.1
"""How often it is looked whether it is."""


def cheapest_executor() -> Executor:
    """Return an EventsExecutor where rclpy has one, a SingleThreadedExecutor elsewhere.

    A wait-set executor spends two to three times the CPU per message, and takes one message per
    subscription and round, so that the fastest topic, /tf, falls behind first.
    """
    return (events_executor() or SingleThreadedExecutor)()


def events_executor() -> Callable[[], Executor] | None:
    """Return what makes rclpy's EventsExecutor, None where it has none."""
    try:
        from rclpy.experimental.events_executor import EventsExecutor
    except ImportError:
        try:
            from rclpy.executors import EventsExecutor
        except ImportError:
            return None
    return EventsExecutor


def spin_once(executor: Executor, node: Node, seconds: float) -> None:
    """Wait for a message and handle it; exceptions are logged and do not end the node."""
    survive(node, partial(executor.spin_once, timeout_sec=seconds))


def survive(node: Node, handle: Callable[[], None]) -> None:
    """Handle a message; exceptions are logged and do not end the node."""
    try:
        handle()
    except Exception as error:  # raised by a callback, or by a message that cannot be decoded
        text = f"a message was lost: {type(error).__name__}: {error}"
        node.get_logger().error(text, throttle_duration_sec=QUIET_SECONDS)


def call_soon(executor: Executor, function: Callable[[], None]) -> None:
    """Run a function in the executor's thread; may be called from any thread."""
    executor.create_task(function)


class Backlog:
    """Tells whether messages come faster than an executor handles them.

    An EventsExecutor puts every arrival into one queue that has no end, and a request behind all
    of them, though the subscriptions themselves hold but the newest messages. So a mark is put
    into that queue again and again; while one waits for long, the executor is behind.

    Args:
        executor: The executor; it is asked in its own thread, between two callbacks.
    """

    def __init__(self, executor: Executor):
        self._executor = executor
        self._marked: float | None = None
        self._next = 0.0

    def behind(self) -> bool:
        """Return whether what came a while ago still waits."""
        now = time.monotonic()
        if self._marked is not None:
            return now - self._marked > BEHIND_SECONDS
        if now >= self._next:
            self._marked = now
            call_soon(self._executor, self._reached)
        return False

    def _reached(self) -> None:
        self._marked, self._next = None, time.monotonic() + LOOK_SECONDS
