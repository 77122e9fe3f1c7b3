# SPDX-License-Identifier: Apache-2.0
"""The one error that all bad input ends in."""

from collections.abc import Sequence
from functools import partial

LONGEST = 1500
"""Characters of a part of a message; more of what a file says would hide the rest."""

SHOWN, LONGEST_NAME = 4, 200
"""Names shown of a longer list, and characters of each."""


class InputError(ValueError):
    """Input that cannot be used, said so that the reader knows what to do.

    Args:
        what: The thing at fault: a topic, a file, a parameter, a tensor.
        found: What was found there.
        expected: What would have been right.
        do: What the reader can do about it.
        reason: A short snake_case name under which such inputs are counted.
    """

    def __init__(
        self, what: str, *, found: str, expected: str, do: str = "", reason: str = "bad_input"
    ):
        self.what, self.found, self.expected, self.do = what, found, expected, do
        self.reason = reason
        what, found, expected, do = map(shown, (what, found, expected, do))
        advice = f" {do}." if do else ""
        super().__init__(f"{what}: found {found}; expected {expected}.{advice}")

    def advised(self, more: str) -> "InputError":
        """Return the same error with more of what the reader can do."""
        said = {"found": self.found, "expected": self.expected, "do": self.do + more}
        return InputError(self.what, **said, reason=self.reason)

    def __reduce__(self) -> tuple:
        """Let it travel between processes, which an exception with keywords alone cannot."""
        said = {"found": self.found, "expected": self.expected, "do": self.do}
        return partial(type(self), self.what, **said, reason=self.reason), ()


def shown(text: str, longest: int = LONGEST) -> str:
    """Return a text for a terminal: no control characters, without its middle where it is long."""
    if len(text) > longest:
        half = longest // 2
        text = f"{text[:half]} ... ({len(text)} characters) ... {text[-half:]}"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def some(names: Sequence[str]) -> str:
    """Return the first names of a list, and how many more there are."""
    first = ", ".join(names[:SHOWN])
    more = len(names) - SHOWN
    return f"{first} and {more} more" if more > 0 else first
