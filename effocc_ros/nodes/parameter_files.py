# SPDX-License-Identifier: Apache-2.0
"""The node's parameters as files: config/occ.param.yaml and docs/parameters.md.

``python -m effocc_ros.nodes.parameter_files`` writes both in a checkout; a test compares them.
"""

from dataclasses import fields
from pathlib import Path
from typing import Any

from effocc_ros.nodes.parameters import constraint, ros_value
from effocc_ros.nodes.settings import NodeSettings


def parameter_file(cls: type) -> str:
    """Render the settings of a dataclass as a ROS parameter file, comments included."""
    lines = [
        "# Every parameter of occ_node with its default. Parameters marked (dynamic) may change",
        "# while the node is active, the others while it is unconfigured or inactive:",
        "# ros2 param set /occ_node <name> <value>",
        "/**:",
        "  ros__parameters:",
    ]
    for each in fields(cls):
        rule = each.metadata
        notes = [rule["description"], f"[{constraint(each)}]" if constraint(each) else ""]
        notes.append("(dynamic)" if rule["dynamic"] else "")
        lines += _comment(" ".join(note for note in notes if note))
        lines.append(f"    {each.name}: {_yaml(ros_value(each, each.default))}")
    return "\n".join(lines) + "\n"


def parameter_table(cls: type) -> str:
    """Render the settings of a dataclass as a page with a table."""
    lines = [
        "# Parameters of `occ_node`",
        "",
        "Dynamic parameters may change while the node is active, the others while it is",
        'unconfigured or inactive. The `[""]` of a launch or parameter file is an empty list.',
        "",
        "| parameter | default | values | dynamic | meaning |",
        "|---|---|---|---|---|",
    ]
    for each in fields(cls):
        rule = each.metadata
        default = _yaml(ros_value(each, each.default))
        cells = (
            f"`{each.name}`",
            f"`{default}`",
            constraint(each).removeprefix("one of: "),
            "yes" if rule["dynamic"] else "",
            rule["description"].replace("|", "\\|").replace("<", "&lt;"),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _comment(text: str, width: int = 95) -> list[str]:
    lines, line = [], "    #"
    for word in text.split():
        if len(line) + 1 + len(word) > width:
            lines.append(line)
            line = "    #"
        line += f" {word}"
    return [*lines, line]


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(_yaml(item) for item in value)}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def main() -> None:
    """Write both files into the checkout that this module lies in."""
    root = Path(__file__).resolve().parents[2]
    (root / "config" / "occ.param.yaml").write_text(parameter_file(NodeSettings))
    (root / "docs" / "parameters.md").write_text(parameter_table(NodeSettings))


if __name__ == "__main__":
    main()
