# SPDX-License-Identifier: Apache-2.0
"""ROS parameters from a frozen dataclass whose fields say what each of them is."""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from effocc_ros.errors import InputError

FOREIGN = ("use_sim_time", "start_type_description_service", "qos_overrides.")
"""Parameters that rclpy declares itself."""

WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple[str, ...]: "a list of texts",
    tuple[float, ...]: "a list of numbers",
}


def setting(
    default: Any,
    description: str,
    lower: float | None = None,
    upper: float | None = None,
    choices: tuple[str, ...] = (),
    dynamic: bool = False,
) -> Any:
    """Make a dataclass field that is a parameter.

    Args:
        default: Its default.
        description: One sentence for people, with the unit.
        lower: Smallest number allowed, or None.
        upper: Largest number allowed, or None.
        choices: The texts allowed, or empty for any.
        dynamic: True when it may change while the node is active.
    """
    metadata = {
        "description": description,
        "lower": lower,
        "upper": upper,
        "choices": choices,
        "dynamic": dynamic,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """Parameters of a node; a subclass has a field for each, made by :func:`setting`.

    Raises:
        InputError: A value is out of its range.
    """

    def __post_init__(self):
        for each in fields(self):
            check_value(each, getattr(self, each.name))

    def changed(self, values: Mapping[str, Any]) -> "Settings":
        """Return settings with other values of some parameters, as ROS gives them.

        Raises:
            InputError: A value has the wrong type, is out of its range, or does not fit.
        """
        ours = [each for each in fields(self) if each.name in values]
        return replace(self, **{each.name: typed_value(each, values[each.name]) for each in ours})


def bad_parameter(name: str, found: str, expected: str) -> InputError:
    """Return the error of a parameter whose value cannot be used."""
    return InputError(f"parameter {name}", found=found, expected=expected, reason="bad_parameter")


def typed_value(each: Field, value: Any) -> Any:
    """Return a value that ROS gives as the field's own type.

    A whole number will do for a number, and nothing, or one empty text, for an empty list: ROS
    cannot give an empty one.

    Raises:
        InputError: It is of another type.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if each.type in (tuple[str, ...], tuple[float, ...]):
        kind = str if each.type == tuple[str, ...] else float
        is_list = value is None or (
            not isinstance(value, str | bytes) and hasattr(value, "__iter__")
        )
        items = [item for item in (value if is_list and value is not None else ()) if item != ""]
        numbers = all(isinstance(item, int | float) for item in items)
        if is_list and (numbers if kind is float else all(isinstance(i, str) for i in items)):
            return tuple(kind(item) for item in items)
    elif each.type is float and is_number:
        return float(value)
    elif type(value) is each.type:
        return value
    raise bad_parameter(each.name, _said(value), WORDS[each.type])


def check_value(each: Field, value: Any) -> None:
    """Check a field's value against its choices and its range.

    Raises:
        InputError: It is not one of the choices, or out of the range.
    """
    rule, lower = each.metadata, each.metadata["lower"]
    allowed = value in rule["choices"] if rule["choices"] else True
    if not allowed or (lower is not None and not lower <= value <= rule["upper"]):
        raise bad_parameter(each.name, _said(value), constraint(each))


def constraint(each: Field) -> str:
    """Say what values a field may have; empty when any value of the type will do."""
    rule = each.metadata
    if rule["choices"]:
        return f"one of: {', '.join(rule['choices'])}"
    return "" if rule["lower"] is None else f"{rule['lower']} to {rule['upper']}"


def descriptor(each: Field, read_only: bool = False) -> ParameterDescriptor:
    """Build the descriptor that ``ros2 param describe`` shows."""
    rule = each.metadata
    limits = (
        {"from_value": each.type(rule["lower"]), "to_value": each.type(rule["upper"])}
        if (rule["lower"] is not None)
        else {}
    )
    described = ParameterDescriptor(
        description=rule["description"],
        read_only=read_only,
        additional_constraints=constraint(each) if rule["choices"] else "",
        # rclpy would refuse a whole number for a number.
        dynamic_typing=each.type in (float, tuple[float, ...], tuple[str, ...]),
    )
    if limits and each.type is int:
        described.integer_range = [IntegerRange(**limits, step=1)]
    elif limits:
        described.floating_point_range = [FloatingPointRange(**limits)]
    return described


def declare(node: Node, cls: type[Settings], read_only: bool = False) -> tuple[Any, list[str]]:
    """Declare a parameter for every field, with the values that the command line gives.

    Args:
        node: The node.
        cls: Its settings.
        read_only: Whether they hold from the start to the end.

    Returns:
        The settings, and one line per name that was given and does not exist.

    Raises:
        InputError: A value that was given cannot be used.
    """
    given = node._parameter_overrides  # rclpy has no public name for it
    settings = cls().changed({name: each.value for name, each in given.items()})
    for each in fields(cls):
        value = ros_value(each, getattr(settings, each.name))
        described = descriptor(each, read_only)
        node.declare_parameter(each.name, value, described, ignore_override=True)
    names = [each.name for each in fields(cls)]
    return settings, unknown_names(list(given), names)


def ros_value(each: Field, value: Any) -> Any:
    """Return a field's value as rclpy takes it."""
    if not isinstance(value, tuple):
        return value
    if each.type == tuple[str, ...]:
        return list(value) or [""]
    return Parameter(each.name, Parameter.Type.DOUBLE_ARRAY, list(value)).value


def unknown_names(given: list[str], known: list[str]) -> list[str]:
    """Return one line per parameter that was given and does not exist."""
    lines = []
    for name in given:
        if name in known or name.startswith(FOREIGN):
            continue
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else "see `ros2 param list`"
        lines.append(f"parameter {name}: there is none of this name; it is ignored; {hint}")
    return lines


def _said(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)
