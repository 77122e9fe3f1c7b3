# SPDX-License-Identifier: Apache-2.0
"""Files of a few kilobytes that stand for more are refused at once."""

import os
import time

import pytest

from effocc_ros.calibration import load_calibration
from effocc_ros.errors import InputError
from effocc_ros.plain_files import open_file, parse_yaml, read_json, read_yaml
from effocc_ros.rig import load_rig


def bomb(levels):
    """Ten aliases of ten aliases of ...: 10 ** levels values."""
    lines = ["a0: &a0 [x, x]"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} [{', '.join(10 * [f'*a{level - 1}'])}]")
    return "\n".join(lines)


HOSTILE = {
    "aliases of aliases": (bomb(9), "200000 values, aliases followed"),
    "merged aliases": (
        "a0: &a0 {x: 1}\n"
        + "\n".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}" for i in range(1, 40)),
        "aliases followed",
    ),
    "itself": ("a: &a [*a]", "contains itself"),
    "deep lists": ("a: " + 20_000 * "[", "more than 32"),
    "deep mappings": ("\n".join(" " * i + "a:" for i in range(500)), "more than 32"),
    "a long number": ("a: " + 5000 * "9", "a number of 5000 characters"),
    "a long number in base 60": ("a: " + ":".join(2000 * ["10"]), "a number of 5999 characters"),
    "half a surrogate pair": (r'a: "\ud800"', "surrogates not allowed|invalid Unicode"),
    "no such day": ("a: 2024-13-77", "month must be"),
    "no number": ("a: !!float seven", "could not convert"),
    "an object": ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_yaml_that_stands_for_more_is_refused_quickly(kind):
    text, said = HOSTILE[kind]
    started = time.process_time()
    with pytest.raises(ValueError, match=said):
        parse_yaml(text)
    assert time.process_time() - started < 5


def test_aliases_in_measure_are_read():
    text = "k: &k [[1, 0], [0, 1]]\na: {k: *k}\nb: {<<: {c: 1.5e+3}, k: *k}\n"
    eye = [[1, 0], [0, 1]]
    assert parse_yaml(text) == {"k": eye, "a": {"k": eye}, "b": {"c": 1500.0, "k": eye}}


def test_a_byte_order_mark_is_no_content(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\n")
    assert read_yaml(tmp_path / "a.yaml") == {"a": 1}


def test_a_file_beyond_its_limit_is_not_read(tmp_path):
    (tmp_path / "a.yaml").write_bytes(bytes(2000))
    with pytest.raises(ValueError, match="2000 bytes, more than 1000"):
        read_yaml(tmp_path / "a.yaml", 1000)


def test_json_without_end_is_refused(tmp_path):
    (tmp_path / "a.json").write_text(100_000 * "[")
    with pytest.raises(ValueError, match="without end"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("place", ["pipe", "/dev/zero", "."])
def test_what_is_no_file_is_not_waited_for(tmp_path, place):
    path = tmp_path / place
    if place == "pipe":
        os.mkfifo(path)
    with pytest.raises(OSError, match=r"not a regular file"):
        open_file(path)


@pytest.mark.parametrize("load", [load_rig, load_calibration])
@pytest.mark.parametrize("kind", HOSTILE)
def test_rigs_and_calibrations_refuse_them_by_name(tmp_path, kind, load):
    (tmp_path / "car.yaml").write_text(HOSTILE[kind][0])
    with pytest.raises(InputError, match=r"file .*car\.yaml") as caught:
        load(tmp_path / "car.yaml")
    assert len(str(caught.value)) < 3000
