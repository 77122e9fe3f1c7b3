# SPDX-License-Identifier: Apache-2.0
"""Plain values, as YAML and JSON give them, against the annotations of a dataclass."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from effocc_ros.errors import InputError
from effocc_ros.plain_files import read_yaml

Built = TypeVar("Built")

_WORDS = {
    str: "a text, in quotes where it looks like a number",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "nothing",
}


def build(cls: type[Built], values: Mapping[str, Any], what: str) -> Built:
    """Make a dataclass of plain values; lists stand for tuples, mappings for dataclasses.

    Args:
        cls: The dataclass.
        values: Field names and values.
        what: What an error shall call the source.

    Raises:
        InputError: A field is missing or unknown, or a value does not fit its field.
    """
    check_names(cls, values, what)
    hints = get_type_hints(cls)
    made = {}
    for name, value in values.items():
        inner = _dataclass_of(hints[name])
        if inner is not None and isinstance(value, Mapping):
            made[name] = build(inner, value, f"{what}, field {name}")
            continue
        made[name] = as_tuple(value)
        check_field(made[name], hints[name], what, name)
    return cls(**made)


def read_mapping(path: Path, what: str) -> dict[str, Any]:
    """Read the mapping of a YAML file.

    Args:
        path: The file.
        what: What an error shall call it.

    Raises:
        InputError: The file holds something else, or cannot be read.
    """
    try:
        values = read_yaml(path)
    except (OSError, ValueError) as error:
        values = error
    if isinstance(values, dict):
        return values
    raise InputError(
        what,
        found=str(values) if isinstance(values, Exception) else type(values).__name__,
        expected=f"a YAML mapping in {path}",
        reason="bad_config",
    )


def check_names(cls: type, names: Iterable[str], what: str) -> None:
    """Raise InputError if a field without a default is missing, or a name is no field."""
    names = list(names)
    known = {field.name: field for field in fields(cls)}
    missing = [
        name
        for name, field in known.items()
        if field.default is field.default_factory is MISSING and name not in names
    ]
    unknown = [name for name in names if name not in known]
    if missing or unknown:
        raise InputError(
            what,
            found=f"unknown fields {unknown}, missing fields {missing}",
            expected=f"the fields of {cls.__name__}: {', '.join(known)}",
            reason="bad_config",
        )


def check_field(value: Any, hint: Any, what: str, name: str) -> None:
    """Raise InputError unless a value is of an annotated type."""
    if not fits(value, hint):
        raise bad_field(what, name, value, words(hint))


def words(hint: Any) -> str:
    """Return an annotated type in words, as one writes it in YAML."""
    if get_origin(hint) is UnionType:
        return " or ".join(words(option) for option in get_args(hint))
    if get_origin(hint) is tuple:
        return f"a list, each {words(get_args(hint)[0])}, such as [a, b]"
    if is_dataclass(hint):
        return f"a mapping with some of {', '.join(field.name for field in fields(hint))}"
    return _WORDS.get(hint, str(getattr(hint, "__name__", hint)))


def fits(value: Any, hint: Any) -> bool:
    """Return whether a value is of an annotated type, all the way into tuples."""
    if get_origin(hint) is UnionType:
        return any(fits(value, option) for option in get_args(hint))
    if get_origin(hint) is tuple:
        items = get_args(hint)
        if not isinstance(value, tuple):
            return False
        if items[-1] is Ellipsis:
            return all(fits(item, items[0]) for item in value)
        return len(value) == len(items) and all(map(fits, value, items))
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def finite(number: float) -> bool:
    """Return whether a number stays finite as a float; whole ones can be too large for it."""
    return -sys.float_info.max <= number <= sys.float_info.max


def as_tuple(value: Any) -> Any:
    """Return a list as a tuple, all else as it is."""
    return tuple(value) if isinstance(value, list) else value


def bad_field(what: str, name: str, found: Any, expected: str) -> InputError:
    """Return the error that says what is wrong with the value of a field."""
    return InputError(
        f"{what}, field {name}", found=repr(found), expected=expected, reason="bad_config"
    )


def _dataclass_of(hint: Any) -> type | None:
    """Return the dataclass that an annotation allows, or None."""
    options = get_args(hint) if get_origin(hint) is UnionType else (hint,)
    return next((o for o in options if isinstance(o, type) and is_dataclass(o)), None)
