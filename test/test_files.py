# SPDX-License-Identifier: Apache-2.0
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from helpers.full_disk import REFUSED, no_file_above

from effocc_ros.errors import InputError
from effocc_ros.files import (
    clear_partial_files,
    only_writer,
    partial_folder,
    remove_abandoned,
    whole_file,
)


def test_a_file_appears_when_the_block_ends_and_not_before(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    with whole_file(path) as partial:
        partial.write_text("whole")
        assert not path.exists()
        assert partial.suffix == ".txt"
    assert path.read_text() == "whole"
    assert os.listdir(path.parent) == ["a.txt"]


def test_a_block_that_fails_leaves_what_was_there(tmp_path):
    (tmp_path / "a.txt").write_text("before")
    with pytest.raises(UnicodeEncodeError), whole_file(tmp_path / "a.txt") as partial:
        partial.write_text("half \ud800", encoding="utf-8")
    assert (tmp_path / "a.txt").read_text() == "before"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_disk_without_room_is_said_by_the_name_of_the_file(tmp_path):
    path = tmp_path / "a.bin"
    with (
        no_file_above(10_000),
        pytest.raises(InputError, match="Make room") as caught,
        whole_file(path) as partial,
    ):
        partial.write_bytes(bytes(20_000))
    assert caught.value.what == f"file {path}"
    assert caught.value.found == REFUSED
    assert os.listdir(tmp_path) == []


def test_an_error_of_a_file_that_the_block_reads_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError, match="other"), whole_file(tmp_path / "a.txt"):
        (tmp_path / "other.txt").read_text()


def test_one_process_at_a_time_may_write(tmp_path):
    lock = tmp_path / "data" / "notes" / "lock"
    with only_writer(lock), pytest.raises(InputError, match="Wait for it"), only_writer(lock):
        pass
    with only_writer(lock):
        pass


def test_a_process_that_waits_comes_in_when_the_other_has_gone(tmp_path):
    lock, entered = tmp_path / "lock", threading.Event()

    def enter():
        with only_writer(lock, wait=True):
            entered.set()

    with only_writer(lock):
        waiting = threading.Thread(target=enter)
        waiting.start()
        assert not entered.wait(0.3)
    assert entered.wait(30)
    waiting.join()


def test_what_killed_processes_left_is_cleared_away_and_nothing_else(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("deep/.partial-a-x1.png", ".partial-b.npz", "deep/a.png", ".partial"):
        (tmp_path / name).write_text("")
    clear_partial_files(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {"deep", "deep/a.png", ".partial"}


KILLED = """
import os, signal, sys
from pathlib import Path
from effocc_ros.files import partial_folder, whole_file
folder = Path(sys.argv[1])
with whole_file(folder / "a.txt") as partial, partial_folder(folder / "bag") as place:
    partial.write_text("half")
    (place / "part").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_the_next_one_removes(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) == 2
    with whole_file(tmp_path / "b.txt") as partial:
        assert os.listdir(tmp_path) == [partial.name]
        partial.write_text("whole")
    assert os.listdir(tmp_path) == ["b.txt"]


def test_what_a_living_writer_has_begun_stays(tmp_path):
    with whole_file(tmp_path / "a.txt") as file, partial_folder(tmp_path / "bag") as folder:
        clear_partial_files(tmp_path)
        remove_abandoned(tmp_path)
        assert sorted(os.listdir(tmp_path)) == sorted([file.name, folder.name])
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_that_is_a_file_is_said(tmp_path):
    (tmp_path / "a").write_text("")
    with (
        pytest.raises(InputError, match=r"Not a directory|File exists"),
        whole_file(tmp_path / "a" / "b.txt"),
    ):
        pass


def test_a_file_that_is_a_folder_is_said_by_its_own_name_also_where_it_is_relative(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    for path in (Path("there"), tmp_path / "there"):
        with (
            pytest.raises(InputError, match=rf"file {path}: found Is a directory; expected room"),
            whole_file(path) as partial,
        ):
            partial.write_text("x")
    assert [each.name for each in tmp_path.iterdir()] == ["there"]
