# SPDX-License-Identifier: Apache-2.0
"""What the documentation tells users to type exists: verbs, options, configs."""

import argparse
import re

import pytest

from effocc_ros.cli import VERBS, build_parser

PAGES = ["README.md", "CONTRIBUTING.md", "models/README.md", "Makefile", "docs"]
COMMAND = re.compile(rf"effocc ({'|'.join(VERBS)})\b((?:[^`\n]|\\\n)*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def commands(repository) -> list[tuple[str, str, str]]:
    """Page, verb and what follows it, of each command in the documentation."""
    files = [f for page in PAGES for f in sorted((repository / page).glob("*.md"))]
    files += [repository / page for page in PAGES if (repository / page).is_file()]
    return [
        (file.name, verb, rest.split(" #")[0])
        for file in files
        for verb, rest in COMMAND.findall(file.read_text(encoding="utf-8"))
    ]


def options_of(parser: argparse.ArgumentParser, words: list[str]) -> set[str]:
    """The options of a verb, and of the verb below it that is named."""
    found = {option for action in parser._actions for option in action.option_strings}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word in words:
                if word in action.choices:
                    return found | options_of(action.choices[word], words)
    return found


def test_the_documentation_has_commands(repository):
    assert len(commands(repository)) > 50


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_that_is_documented_exists(repository, verb):
    parser = build_parser(verb)
    for page, named, rest in commands(repository):
        if named == verb:
            # What follows a pipe or a full stop is another command or a sentence.
            rest = re.split(r"[|;&]|\. ", rest)[0]
            unknown = set(OPTION.findall(rest)) - options_of(parser, [verb, *rest.split()])
            assert not unknown, f"{page}: effocc {verb}{rest}"
