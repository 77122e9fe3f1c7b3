# SPDX-License-Identifier: Apache-2.0
"""What should stay the same from message to message, and does not."""

from collections import defaultdict

from effocc_ros.stream.report import Remark


class ChangeWatch:
    """Remembers what inputs looked like and remarks on changes."""

    def __init__(self):
        self._last: dict[tuple[str, str], object] = {}
        self._seen: defaultdict[tuple[str, str], set] = defaultdict(set)

    def note(self, source: str, **facts: object) -> list[Remark]:
        """Compare facts, by their names, with those of the message before.

        One that returns to a value it had before is a sign of two publishers on one topic.
        """
        remarks = []
        for name, value in facts.items():
            key = source, name
            before = self._last.setdefault(key, value)
            if before != value:
                remarks.append(_remark(source, name, before, value, value in self._seen[key]))
                self._last[key] = value
            if len(self._seen[key]) < 100:
                self._seen[key].add(value)
        return remarks


def _remark(source: str, name: str, before: object, value: object, again: bool) -> Remark:
    title = name.replace("_", " ")
    advice = (
        "It has been this before: do two sensors publish on one topic? Give each its own."
        if again
        else "Each message is used as it says."
    )
    text = f"{title} of {source}: found {_said(value)} after {_said(before)}; expected no change. "
    return Remark(f"{name}_alternates" if again else f"{name}_changed", text + advice)


def _said(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else f"'{value}'"
