# SPDX-License-Identifier: Apache-2.0
"""Occupancy of a simulated bag in Rerun's own viewer, in a real browser, by `make view-test`."""

import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from helpers.browser import chromium, open_page

pytest.importorskip("rerun", reason="rerun-sdk is not installed: see make view-test")
pytest.importorskip("embreex", reason="the simulator's ray caster is not installed")

from effocc_ros.bags.process import ProcessOptions, process_bag
from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.simulation.bag import simulate_bag
from effocc_ros.visualization import write_png

SECONDS = 600.0
"""WebGL on a CPU that does other things too takes minutes for a picture."""
MOST_OFF = 2
LEAST_PIXELS = 30
GREY = 20
"""Classes whose colours differ less than this between channels are not told from the page."""


def free_port() -> int:
    """Return a port of which the next is free too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


def classes_in(picture) -> dict[str, int]:
    """Return how many pixels have just the colour of each class, grey ones left out."""
    found = {}
    for name, color in zip(OCC3D_NUSCENES.names, OCC3D_NUSCENES.colors, strict=True):
        off = np.abs(picture.astype(int) - color).max(axis=2)
        count = int((off <= MOST_OFF).sum())
        if np.ptp(color) >= GREY and count >= LEAST_PIXELS:
            found[name] = count
    return found


@contextmanager
def serving(bag):
    """Serve a bag by `effocc view --web`; yield the address that it prints."""
    command = [sys.executable, "-m", "effocc_ros.cli", "view", str(bag), "--web"]
    command += ["--port", str(free_port())]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            if found := re.match(r"serving (http://\S+) ", line):
                break
        else:
            raise RuntimeError("effocc view ended without serving")
        yield found[1]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(chromium() is None, reason="chromium is not installed")
@pytest.mark.timeout(2 * SECONDS)
def test_voxels_of_five_classes_are_seen_in_a_browser(tmp_path, repository):
    # Of the occupancy alone: with six images, too, SwiftShader takes many minutes for a picture.
    drive = simulate_bag(tmp_path / "drive", 0, 0.1, (198, 352), workers=1, progress=False)
    bag = tmp_path / "occupancy"
    process_bag(drive, bag, ProcessOptions(model="fusion_tiny", device="cpu"))
    shot = repository / "output" / "view" / "web_viewer.png"
    with serving(bag) as address, open_page(address, tmp_path / "profile", (1000, 800)) as page:
        for picture in page.screenshots(SECONDS):
            write_png(shot, picture)
            found = classes_in(picture)
            if len(found) >= 5:
                break
    assert len(found) >= 5, f"classes seen: {found}; the page: {shot}"
