# SPDX-License-Identifier: Apache-2.0
"""Progress in a file is lines, and none of them is glued to another."""

from effocc_ros import progress
from effocc_ros.progress import with_progress


def test_a_short_run_says_once_how_much_it_was(capsys):
    assert list(with_progress("abc", 3, what="drive", unit="msg")) == ["a", "b", "c"]
    assert capsys.readouterr().err == "drive: 3 of 3 msg\n"


def test_a_long_run_says_where_it_is(capsys, monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.0)
    list(with_progress(range(2), 2))
    assert capsys.readouterr().err == "0 of 2 msg\n1 of 2 msg\n2 of 2 msg\n"


def test_nothing_is_said_where_nobody_asked(capsys):
    assert list(with_progress(range(2), 2, shown=False)) == [0, 1]
    assert capsys.readouterr().err == ""
