# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys

import pytest
from helpers.environments import code_environment

from effocc_ros.nodes.transport import (
    LARGE_MESSAGES,
    PUBLICATION_MODE,
    TRANSPORTS,
    ros_environment,
)

# What the C library sees is what the middleware reads.
SAYS_ITS_MODE = """
import ctypes
from effocc_ros.nodes import executables
executables._run = lambda name: None
executables.{0}()
getenv = ctypes.CDLL(None).getenv
getenv.restype = ctypes.c_char_p
print((getenv(b"RMW_FASTRTPS_PUBLICATION_MODE") or b"").decode())
"""


@pytest.mark.parametrize(
    ("program", "chosen", "mode"),
    [
        ("occ_node", None, "ASYNCHRONOUS"),
        ("occ_node", "SYNCHRONOUS", "SYNCHRONOUS"),
        ("bag_player", None, ""),
    ],
)
def test_the_node_publishes_asynchronously_unless_told_otherwise(program, chosen, mode):
    environment = {**code_environment(os.environ)}
    environment.pop(PUBLICATION_MODE, None)
    if chosen:
        environment[PUBLICATION_MODE] = chosen
    command = [sys.executable, "-c", SAYS_ITS_MODE.format(program)]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == mode


@pytest.mark.parametrize(
    ("chosen", "large", "transports"),
    [
        (None, False, "DEFAULT"),
        ("UDPv4", False, "UDPv4"),
        (None, True, LARGE_MESSAGES),
        ("UDPv4", True, LARGE_MESSAGES),
    ],
)
def test_transports_are_those_of_the_user_but_for_large_messages(
    monkeypatch, chosen, large, transports
):
    monkeypatch.delenv(TRANSPORTS, raising=False)
    if chosen:
        monkeypatch.setenv(TRANSPORTS, chosen)
    assert ros_environment(7, large)[TRANSPORTS] == transports
