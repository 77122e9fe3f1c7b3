# SPDX-License-Identifier: Apache-2.0
"""A real Chromium without a display, told what to do by its DevTools protocol."""

import asyncio
import base64
import json
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import cv2
import numpy as np

ANSWER_SECONDS = 280.0
"""A page that is drawn on a busy CPU lets a picture of it wait."""

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    # WebGL on the CPU, by SwiftShader.
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--no-first-run",
    "--disable-dev-shm-usage",
)


def chromium() -> str | None:
    """Return the path of Chromium, or None where it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One page of a running Chromium."""

    def __init__(self, socket: str):
        self._socket = socket

    def screenshots(self, seconds: float, every: float = 3.0):
        """Yield pictures (H, W, 3) RGB of the page, one after another, for some seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(every)
            data = base64.b64decode(self._ask("Page.captureScreenshot")["data"])
            yield cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]

    def _ask(self, method: str, **params) -> dict:
        return asyncio.run(self._send({"id": 1, "method": method, "params": params}))

    async def _send(self, request: dict) -> dict:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(self._socket, max_msg_size=0) as socket,
        ):
            await socket.send_json(request)
            while True:
                answer = await socket.receive_json(timeout=ANSWER_SECONDS)
                if answer.get("id") == request["id"]:
                    return answer["result"]


@contextmanager
def open_page(address: str, profile: Path, size: tuple[int, int] = (1600, 1200)):
    """Show an address in a browser of its own, whose files are in ``profile``."""
    command = [chromium(), *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}"]
    command += ["--window-size={},{}".format(*size), address]
    log = profile.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield Browser(_page_socket(profile, process))
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _page_socket(profile: Path, process: subprocess.Popen, seconds: float = 120.0) -> str:
    """Wait for the page; return the address of its DevTools."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.5)
        file = profile / "DevToolsActivePort"
        if file.is_file() and file.read_text():
            pages = asyncio.run(_targets(file.read_text().split()[0]))
            for page in pages:
                if page["type"] == "page":
                    return page["webSocketDebuggerUrl"]
    raise RuntimeError(f"Chromium showed no page (exit code {process.poll()})")


async def _targets(port: str) -> list[dict]:
    address = f"http://127.0.0.1:{port}/json"
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        return json.loads(await answer.text())
