# SPDX-License-Identifier: Apache-2.0
"""Small text files that anyone may have written: YAML and JSON, read within limits.

A file of a few kilobytes can stand for gigabytes (aliases of aliases), for a recursion without
end, or for numbers that no float can hold; a name can be that of a pipe, which never ends.
"""

import json
import os
import re
import stat
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

MOST_BYTES = 1 << 20
"""Larger than any file that people write by hand."""
DEEPEST = 32
"""Mappings and lists within each other."""
MOST_NODES = 200_000
"""Values, those behind aliases counted each time."""
LONGEST_NUMBER = 64
"""Characters of a number; the time that reading takes grows with their square."""

_EVENTS = yaml.cyaml.CParser if yaml.__with_libyaml__ else yaml.SafeLoader


def open_file(path: Path | str) -> BinaryIO:
    """Open a regular file for reading.

    Raises:
        OSError: It is absent or cannot be read, or is a folder, a pipe or a device: waiting for
            those may take for ever.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(handle, "rb") if stat.S_ISREG(os.fstat(handle).st_mode) else None
    if file is None:
        os.close(handle)
        raise OSError(0, "not a regular file", str(path))
    return file


def read_limited(path: Path | str, most: int = MOST_BYTES) -> bytes:
    """Read a file of at most so many bytes.

    Raises:
        OSError: As :func:`open_file` says.
        ValueError: It is longer.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise ValueError(f"a file of {size} bytes, more than {most}")
        return file.read(most)


def read_yaml(path: Path | str, most: int = MOST_BYTES) -> Any:
    """Read a YAML file of plain values.

    Raises:
        OSError: As :func:`open_file` says.
        ValueError: It is no YAML, or goes beyond the limits above; told in one line.
    """
    return parse_yaml(read_limited(path, most))


def parse_yaml(data: bytes | str) -> Any:
    """Read YAML of plain values; as :func:`read_yaml`."""
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        return _Loader(text).get_single_data()
    except Exception as error:  # PyYAML raises whatever the text leads it to
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error


def read_json(path: Path | str, most: int = MOST_BYTES) -> Any:
    """Read a JSON file.

    Raises:
        OSError: As :func:`open_file` says.
        ValueError: It is no JSON, or too long or too deep.
    """
    return parse_json(read_limited(path, most))


def parse_json(data: bytes | str) -> Any:
    """Read JSON; as :func:`read_json`."""
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("lists or objects within each other without end") from error


class _Loader(Composer, SafeConstructor, Resolver):
    """Plain values of YAML, counted while they are put together."""

    def __init__(self, text: str):
        events = _EVENTS(text)
        self.check_event = events.check_event
        self.peek_event = events.peek_event
        self.get_event = events.get_event
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        Resolver.__init__(self)
        self._depth = self._nodes = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node, index: Any) -> yaml.Node:
        before, self._depth = self._nodes, self._depth + 1
        if self._depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} mappings or lists within each other")
        is_alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        if not is_alias:
            self._nodes += 1
            self._sizes[id(node)] = self._nodes - before
        elif id(node) in self._sizes:
            self._nodes += self._sizes[id(node)]
        else:
            raise ValueError("a value that contains itself")
        if self._nodes > MOST_NODES:
            raise ValueError(f"more than {MOST_NODES} values, aliases followed")
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        twice = [key for key, count in keys.items() if count > 1 and key != "<<"]
        if twice:
            raise ValueError(f"{twice[0]!r} twice from line {node.start_mark.line + 1} on")
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.Node) -> Any:
        value = super().construct_scalar(node)
        value.encode()  # half a surrogate pair is no text
        numeric = node.tag.endswith((":int", ":float"))
        if numeric and len(value) > LONGEST_NUMBER:
            line = node.start_mark.line + 1
            raise ValueError(f"a number of {len(value)} characters in line {line}")
        return value


# YAML 1.2, and people, write 1e-3; YAML 1.1 wants 1.0e-3.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
