# SPDX-License-Identifier: Apache-2.0
import socket
import sys
from contextlib import suppress

import cv2
import pytest
from helpers.occupancy_bags import make_demo, make_occupancy_bag
from helpers.toy_drive import START

from effocc_ros.cli import main
from effocc_ros.errors import InputError
from effocc_ros.visualization.display import X_PORT
from effocc_ros.visualization.rerun_sinks import check_free


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    return str(make_occupancy_bag(tmp_path_factory.mktemp("view") / "bag", (START, START + 1)))


def error_of(capsys) -> str:
    return capsys.readouterr().err.splitlines()[-1]


def test_pictures_of_a_demo_need_no_viewer(tmp_path, capsys):
    demo = make_demo(tmp_path / "demo")
    assert main(["view", str(demo), "--png", str(tmp_path / "out"), "--limit", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"1 moment in {tmp_path / 'out'}"
    (file,) = (tmp_path / "out").iterdir()
    assert cv2.imread(str(file)).shape[1] == 2400


@pytest.mark.parametrize("where", [["--save", "x.rrd"], ["--web"], []])
def test_without_rerun_the_extra_is_named(bag, where, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "rerun", None)
    assert main(["view", bag, *where]) == 2
    said = error_of(capsys)
    assert "found no package rerun; expected rerun-sdk 0.41.0" in said
    assert "pip install 'effocc_ros[view]'" in said


@pytest.fixture
def display():
    """The name of an X display that answers."""
    with socket.socket() as server:
        for number in range(30, 90):
            with suppress(OSError):
                server.bind(("127.0.0.1", X_PORT + number))
                break
        server.listen()
        yield f"127.0.0.1:{number}.0"


def test_without_open3d_the_extra_is_named(bag, display, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "open3d", None)
    monkeypatch.setenv("DISPLAY", display)
    assert main(["view", bag, "--window"]) == 2
    assert "pip install 'effocc_ros[window]'" in error_of(capsys)


@pytest.mark.parametrize("name", [":971", "unix:971", "127.0.0.1:971.0"])
def test_a_display_that_does_not_answer_is_named(bag, name, monkeypatch, capsys):
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", name)
    assert main(["view", bag, "--window"]) == 2
    assert f"found DISPLAY={name}, which cannot be opened" in error_of(capsys)


def test_without_a_display_a_window_is_refused(bag, monkeypatch, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert main(["view", bag, "--window"]) == 2
    assert "found no display" in error_of(capsys)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scene", "scene-0061", "--png", "out"], "which is no data set"),
        (["--mp4", "x.avi"], "a file of kind .avi"),
        (["--mp4", "."], "found a folder"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_drawn(
    bag, tmp_path, monkeypatch, capsys, options, said
):
    monkeypatch.chdir(tmp_path)
    assert main(["view", bag, *options]) == 2
    assert said in error_of(capsys)
    assert not list(tmp_path.iterdir())


def test_skipping_all_moments_is_said(bag, tmp_path, capsys):
    assert main(["view", bag, "--skip", "5", "--png", str(tmp_path)]) == 2
    assert "found none after the first 5; expected at least one. Skip fewer." in error_of(capsys)


def test_a_port_in_use_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port}: found .*another: --port"):
            check_free(port)
