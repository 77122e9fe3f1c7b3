# SPDX-License-Identifier: Apache-2.0
import ast
import os
import subprocess
import sys

import pytest
from helpers.environments import code_environment

from effocc_ros.nodes.transport import (
    LARGE_MESSAGES,
    PROFILE_FILES,
    PROFILES,
    PUBLICATION_MODE,
    TRANSPORTS,
    default_transports,
    ros_environment,
)

# What the C library sees is what the middleware reads.
SAYS_ITS_CHOICE = """
import ctypes
from effocc_ros.nodes import executables
executables._run = lambda name: None
executables.{0}()
getenv = ctypes.CDLL(None).getenv
getenv.restype = ctypes.c_char_p
print([(getenv(name) or b"").decode() for name in {1}])
"""
READ = TRANSPORTS.encode(), PUBLICATION_MODE.encode()


@pytest.mark.parametrize(
    ("program", "chosen", "expected"),
    [
        ("occ_node", {}, ["UDPv4", "ASYNCHRONOUS"]),
        ("occ_node", {TRANSPORTS: "DEFAULT"}, ["DEFAULT", "ASYNCHRONOUS"]),
        ("occ_node", {PUBLICATION_MODE: "SYNCHRONOUS"}, ["UDPv4", "SYNCHRONOUS"]),
        ("occ_node", {PROFILES[0]: "mine.xml"}, ["", "ASYNCHRONOUS"]),
        ("occ_node", {PROFILES[1]: "mine.xml"}, ["", "ASYNCHRONOUS"]),
        ("bag_player", {}, ["", ""]),
    ],
)
def test_the_node_chooses_for_fast_dds_what_its_user_did_not(program, chosen, expected):
    environment = {**code_environment(os.environ)}
    for name in (TRANSPORTS, PUBLICATION_MODE, *PROFILES):
        environment.pop(name, None)
    command = [sys.executable, "-c", SAYS_ITS_CHOICE.format(program, READ)]
    said = subprocess.run(
        command, env={**environment, **chosen}, capture_output=True, text=True, check=True
    )
    assert ast.literal_eval(said.stdout) == expected


@pytest.mark.parametrize(
    ("chosen", "large", "transports"),
    [
        (None, False, None),
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
    assert ros_environment(7, large).get(TRANSPORTS) == transports


@pytest.mark.parametrize("name", PROFILE_FILES)
def test_profiles_in_the_working_directory_are_the_user_s_choice(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert default_transports({}) == {TRANSPORTS: "UDPv4"}
    (tmp_path / name).touch()
    assert default_transports({}) == {}
