"""The bag player's parameters."""

from types import SimpleNamespace

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

# Name, default, smallest, largest (None: no range), description.
PARAMETERS = (
    ("bag", "", None, None, "Folder of a rosbag2, or one .mcap or .db3 file."),
    ("rate", 1.0, 0.001, 1000.0, "Bag seconds per second."),
    ("loop", False, None, None, "Begin again at the end."),
    ("topics", [""], None, None, "Topics to publish; empty for all that the bag has."),
    ("queue_depth", 100, 1, 10000, "Messages kept per topic for slow subscribers."),
    ("wait_for", [""], None, None, "Topics that must have a subscriber before the bag starts."),
    ("wait_timeout", 60.0, 0.0, 3600.0, "Seconds to wait for those subscribers."),
    ("start_delay", 0.5, 0.0, 60.0, "Seconds of rest before the first message."),
    (
        "lockstep",
        False,
        None,
        None,
        "Wait for the node's answer to each keyframe, so that a slow machine loses nothing.",
    ),
    ("node", "/occ_node", None, None, "Full name of the occupancy node that answers."),
    ("trigger_interval", 0.0, 0.0, 3600.0, "Seconds between keyframes: the node's own value."),
    ("slack", 0.5, 0.0, 10.0, "Seconds that /clock runs on, at most, while the player waits."),
    ("timeout", 60.0, 0.0, 3600.0, "Seconds to wait for an answer before going on."),
)


def declare_parameters(node: Node) -> SimpleNamespace:
    """Declare the parameters and return their values, empty texts in lists removed."""
    values = {}
    for name, default, lower, upper, description in PARAMETERS:
        descriptor = ParameterDescriptor(description=description, read_only=True)
        if isinstance(default, float):
            limits = FloatingPointRange(from_value=lower, to_value=upper)
            descriptor.floating_point_range = [limits]
        elif lower is not None:
            descriptor.integer_range = [IntegerRange(from_value=lower, to_value=upper, step=1)]
        value = node.declare_parameter(name, default, descriptor).value
        values[name] = [text for text in value if text] if isinstance(default, list) else value
    return SimpleNamespace(**values)
