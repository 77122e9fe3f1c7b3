# SPDX-License-Identifier: Apache-2.0
"""What the installed programs call: check the environment, then start the node."""

import importlib
import sys
from typing import NoReturn

from effocc_ros.errors import InputError
from effocc_ros.memory import keep_freed_memory
from effocc_ros.nodes.environment import check_environment
from effocc_ros.nodes.stopping import leave, leave_on_signal
from effocc_ros.nodes.transport import choose_middleware_defaults


def occ_node() -> NoReturn:
    """Run the occupancy node."""
    keep_freed_memory()
    choose_middleware_defaults()
    _run("occ_node")


def bag_player() -> NoReturn:
    """Run the bag player."""
    _run("bag_player")


def recorder() -> NoReturn:
    """Run the recorder."""
    _run("recorder")


def _run(name: str) -> NoReturn:
    leave_on_signal()
    try:
        check_environment()
        # Only now: importing rclpy in a wrong environment crashes the interpreter.
        code = importlib.import_module(f"effocc_ros.nodes.{name}").main() or 0
    except InputError as error:
        print(f"{name}: {error}", file=sys.stderr)
        code = 2
    leave(code)
