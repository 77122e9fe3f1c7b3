# SPDX-License-Identifier: Apache-2.0
"""A display is there where something answers at the address that the environment names."""

import socket
from tempfile import TemporaryDirectory

import pytest

from effocc_ros.errors import InputError
from effocc_ros.visualization import display


@pytest.fixture
def folder(monkeypatch):
    """A folder whose path is short enough for a socket; no display is named."""
    for name in display.NAMES:
        monkeypatch.delenv(name, raising=False)
    with TemporaryDirectory(dir="/tmp") as path:
        monkeypatch.setattr(display, "X_SOCKET", f"{path}/X")
        monkeypatch.setenv("XDG_RUNTIME_DIR", path)
        yield path


@pytest.mark.parametrize(
    ("variable", "value", "name"),
    [
        ("DISPLAY", ":7", "X7"),
        ("DISPLAY", "unix:7.0", "X7"),
        ("WAYLAND_DISPLAY", "wayland-0", "wayland-0"),
    ],
)
def test_a_socket_that_answers_is_a_display_and_a_dead_one_is_none(
    folder, monkeypatch, variable, value, name
):
    monkeypatch.setenv(variable, value)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{folder}/{name}")
        server.listen()
        display.check_display("viewer", "")
    with pytest.raises(InputError, match=f"found {variable}={value}, which cannot be opened"):
        display.check_display("viewer", "")


def test_without_a_name_there_is_none(folder):
    with pytest.raises(InputError, match="found no display"):
        display.check_display("viewer", "")
