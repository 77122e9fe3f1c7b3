# SPDX-License-Identifier: Apache-2.0
import json
import os
import sqlite3
import subprocess
import sys

import pytest
from helpers.drives import VERSION, make_drives, read_table, write_table

from effocc_ros.datasets import table_builder, table_cache
from effocc_ros.datasets.nuscenes_tables import NuscenesTables
from effocc_ros.datasets.table_cache import table_cache as cache_of
from effocc_ros.errors import InputError

CACHE = f".{VERSION}.sqlite3"


@pytest.fixture
def root(tmp_path):
    return make_drives(tmp_path / "nuscenes", ("scene-0061",), keyframes=1)


def test_the_second_opening_reads_the_cache_and_no_table(root, monkeypatch):
    NuscenesTables(root, VERSION)

    def refuse(path):
        raise AssertionError(f"{path} was read again")

    monkeypatch.setattr(table_builder, "json_rows", refuse)
    assert NuscenesTables(root, VERSION).scene_names == ("scene-0061",)


def test_a_table_that_changed_makes_the_cache_anew(root):
    NuscenesTables(root, VERSION)
    scenes = read_table(root, "scene")
    write_table(root, "scene", [{**scenes[0], "name": "scene-0999"}])
    os.utime(root / VERSION / "scene.json", ns=(1, 1))
    assert NuscenesTables(root, VERSION).scene_names == ("scene-0999",)


def test_a_newer_layout_of_the_cache_makes_it_anew(root, monkeypatch):
    path = cache_of(root, VERSION)
    before = path.stat().st_ino
    monkeypatch.setattr(table_cache, "SCHEMA_VERSION", 999)
    assert cache_of(root, VERSION).stat().st_ino != before


def test_a_broken_cache_is_made_anew(root):
    path = cache_of(root, VERSION)
    path.write_bytes(path.read_bytes()[:5000])
    assert NuscenesTables(root, VERSION).scene_names == ("scene-0061",)
    path.write_bytes(b"no database")
    assert NuscenesTables(root, VERSION).scene_names == ("scene-0061",)


def test_a_table_that_breaks_leaves_no_cache(root):
    rows = read_table(root, "sample_data")
    rows[-1]["ego_pose_token"] = "nowhere"
    write_table(root, "sample_data", rows)
    with pytest.raises(InputError, match=r"nowhere, which ego_pose\.json does not have"):
        cache_of(root, VERSION)
    assert not (root / CACHE).exists()
    assert not list(root.glob(f"{CACHE}-*"))


def test_what_a_killed_process_left_is_cleared_away(root):
    left = root / f"{CACHE}-left"
    left.mkdir()
    (left / "staging.sqlite3").write_bytes(b"half")
    cache_of(root, VERSION)
    assert not left.exists()


def test_a_folder_that_cannot_be_written_puts_the_cache_into_the_users_folder(
    root, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(table_cache.os, "access", lambda path, mode: False)
    path = cache_of(root, VERSION)
    assert path.parent == tmp_path / "cache" / "effocc_ros"
    assert NuscenesTables(root, VERSION).scene_names == ("scene-0061",)
    assert not (root / CACHE).exists()


def test_no_place_for_the_cache_is_said(root, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(table_cache.os, "access", lambda path, mode: False)
    with pytest.raises(InputError) as caught:
        cache_of(root, VERSION)
    assert caught.value.reason == "no_cache"
    assert "XDG_CACHE_HOME" in caught.value.do


def test_a_full_disk_is_said_and_leaves_nothing(root, monkeypatch):
    def full(database, *_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(table_cache, "build_tables", full)
    with pytest.raises(InputError, match="disk is full"):
        cache_of(root, VERSION)
    assert [path.name for path in root.glob(".*") if path.suffix != ".lock"] == []


def test_processes_that_start_together_all_find_the_same_tables(root):
    code = (
        "from effocc_ros.datasets.nuscenes_tables import NuscenesTables\n"
        f"print(NuscenesTables({str(root)!r}, {VERSION!r}).samples()[0].token)"
    )
    command = [sys.executable, "-c", code]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    tokens = {run.communicate(timeout=60)[0].strip() for run in runs}
    assert tokens == {read_table(root, "sample")[0]["token"]}


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ("sample", "scene_token"),
        ("sample_data", "sample_token"),
        ("sample_data", "calibrated_sensor_token"),
        ("sample_data", "ego_pose_token"),
        ("calibrated_sensor", "sensor_token"),
    ],
)
def test_a_token_that_leads_nowhere_names_the_row_and_the_table(root, table, field):
    rows = read_table(root, table)
    rows[0][field] = "nowhere"
    write_table(root, table, rows)
    with pytest.raises(InputError) as caught:
        cache_of(root, VERSION)
    assert caught.value.what.startswith(f"{table} {rows[0]['token']} in ")
    assert caught.value.found == (
        f"the token nowhere, which {field.removesuffix('_token')}.json does not have"
    )


@pytest.mark.parametrize("table", ["ego_pose", "sample_data", "sample", "scene"])
def test_two_rows_with_one_token_are_refused(root, table):
    rows = read_table(root, table)
    write_table(root, table, [*rows, rows[0]])
    with pytest.raises(InputError) as caught:
        cache_of(root, VERSION)
    assert table in caught.value.what
    assert caught.value.reason == "bad_table"


def test_a_pose_of_three_numbers_is_refused_and_named(root):
    rows = read_table(root, "ego_pose")
    rows[3]["rotation"] = [1.0, 0.0, 0.0]
    write_table(root, "ego_pose", rows)
    with pytest.raises(InputError) as caught:
        cache_of(root, VERSION)
    where = f"ego_pose.json, row 3 (token {rows[3]['token']}), field rotation"
    assert caught.value.what == f"nuScenes table {root / VERSION}/{where}"


def test_the_fingerprint_is_of_the_six_tables(root):
    _, states = json.loads(table_cache.fingerprint(root / VERSION))
    assert set(states) == {
        "scene", "sample", "sensor", "calibrated_sensor", "ego_pose", "sample_data",
    }  # fmt: skip
    assert states["scene"][0] == (root / VERSION / "scene.json").stat().st_size
