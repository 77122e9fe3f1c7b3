# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys

import pytest
from helpers.environments import code_environment

from effocc_ros.nodes.transport import PUBLICATION_MODE

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
