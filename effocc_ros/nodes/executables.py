"""What the installed programs call: check the environment, then start the node."""

import importlib
import sys

from effocc_ros.errors import InputError
from effocc_ros.nodes.environment import check_environment
from effocc_ros.nodes.leaving import leave


def occ_node() -> int:
    """Run the occupancy node."""
    return _run("occ_node")


def bag_player() -> int:
    """Run the bag player."""
    return _run("bag_player")


def recorder() -> int:
    """Run the recorder."""
    return _run("recorder")


def _run(name: str) -> int:
    try:
        check_environment()
        # Only now: importing rclpy in a wrong environment crashes the interpreter.
        code = importlib.import_module(f"effocc_ros.nodes.{name}").main() or 0
    except InputError as error:
        print(f"{name}: {error}", file=sys.stderr)
        code = 2
    return leave(code)
