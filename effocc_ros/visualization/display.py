# SPDX-License-Identifier: Apache-2.0
"""Whether windows can be opened."""

import os
import re
import socket
from contextlib import closing
from pathlib import Path

from effocc_ros.errors import InputError

NAMES = ("DISPLAY", "WAYLAND_DISPLAY")
"""Variables that name a display."""

SECONDS = 2.0
"""How long a display may take to answer."""

X_PORT = 6000
X_SOCKET = "/tmp/.X11-unix/X"
"""Where X servers listen, display by display."""


def check_display(what: str, do: str) -> None:
    """Raise InputError if no windows can be opened.

    Args:
        what: What wants to open one.
        do: What the user can do without.
    """
    named = {name: os.environ.get(name, "") for name in NAMES}
    opens = {"DISPLAY": _opens_x, "WAYLAND_DISPLAY": _opens_wayland}
    if any(value and opens[name](value) for name, value in named.items()):
        return
    given = ", ".join(f"{name}={value}" for name, value in named.items() if value)
    raise InputError(
        what,
        found=f"{given}, which cannot be opened"
        if given
        else f"no display ({' and '.join(NAMES)} are not set)",
        expected="a desktop",
        do=do,
        reason="no_display",
    )


def has_display() -> bool:
    """Return whether a display is named."""
    return any(os.environ.get(name) for name in NAMES)


def _opens_x(display: str) -> bool:
    """Return whether an X server answers: at ``:1`` by a socket, at ``localhost:10.0`` by TCP."""
    match = re.fullmatch(r"(.*):(\d+)(\.\d+)?", display)
    if match is None or display.startswith("/"):
        return True  # of a kind that only its own libraries know
    host, number = match[1], int(match[2])
    if host in ("", "unix"):
        path = f"{X_SOCKET}{number}"
        return _answers(path) or _answers(f"\0{path}")
    return X_PORT + number < 65536 and _answers((host.strip("[]"), X_PORT + number))


def _opens_wayland(display: str) -> bool:
    return _answers(str(Path(os.environ.get("XDG_RUNTIME_DIR", "/"), display)))


def _answers(address: str | tuple[str, int]) -> bool:
    try:
        if isinstance(address, tuple):
            socket.create_connection(address, SECONDS).close()
        else:
            with closing(socket.socket(socket.AF_UNIX)) as probe:
                probe.settimeout(SECONDS)
                probe.connect(address)
    except (OSError, ValueError):
        return False
    return True
