# SPDX-License-Identifier: Apache-2.0
"""A signal ends a process with 0 at any moment, in good order where there is time for it."""

import signal
import subprocess
import sys

import pytest
from helpers.environments import code_environment

LEAVE = """
import atexit, sys
from effocc_ros.nodes.stopping import leave
atexit.register(print, "taken down")
print("said before")
leave(7)
"""

PRINTING = """
import io, signal, sys
from effocc_ros.nodes.stopping import leave_on_signal

class SignalledWhileItWrites(io.RawIOBase):
    def writable(self):
        return True
    def write(self, data):
        signal.raise_signal({number})
        return len(data)

leave_on_signal()
sys.stdout = io.TextIOWrapper(io.BufferedWriter(SignalledWhileItWrites()))
print("lost", flush=True)
"""

UNHEARD = """
import os, sys
from effocc_ros.nodes.stopping import leave
sys.stdout = open(1, "w", closefd=False)  # with a buffer, whatever the environment says
print("nobody reads this")
{lost}
leave(7)
"""

IMPORTING = """
import time
from effocc_ros.nodes.stopping import leave_on_signal
leave_on_signal()
print("importing", flush=True)
time.sleep(600)
"""

AT_WORK = """
import time
import effocc_ros.nodes.stopping as stopping
with stopping.ros_until_signal([], grace={grace}) as stop:
    print("at work", flush=True)
    while not stop.is_set():
        time.sleep(0.01)
    {last}
print("in good order", flush=True)
"""


def run(code, number=None):
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=code_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    first = process.stdout.readline()
    if number is not None:
        process.send_signal(number)
    rest, _ = process.communicate(timeout=120)
    return process.returncode, first + rest


def test_leaving_says_what_was_said_and_takes_nothing_down():
    assert run(LEAVE) == (7, "said before\n")


@pytest.mark.parametrize(
    "lost",
    ["sys.stdout.close()", "os.close(1)", "r, w = os.pipe(); os.close(r); os.dup2(w, 1)"],
)
def test_leaving_keeps_its_code_where_nobody_listens(lost):
    assert run(UNHEARD.format(lost=lost))[0] == 7


def test_leaving_keeps_its_code_where_nobody_listened_from_the_start():
    code = "from effocc_ros.nodes.stopping import leave; leave(7)"
    shell = ["sh", "-c", 'exec "$0" -c "$1" >&- 2>&-', sys.executable, code]
    assert subprocess.run(shell, env=code_environment()).returncode == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_print_ends_with_0(number):
    assert run(PRINTING.format(number=int(number))) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_imports_ends_with_0(number):
    assert run(IMPORTING, number) == (0, "importing\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("grace", "last", "expected"),
    [
        ("60.0", "pass", "at work\nin good order\n"),
        ("0.2", "time.sleep(600)", "at work\n"),
        ("None", "time.sleep(0.5)", "at work\nin good order\n"),
    ],
)
def test_what_is_in_hand_may_take_the_grace_and_no_longer(number, grace, last, expected):
    pytest.importorskip("rclpy", reason="rclpy absent: neither ROS 2 nor its wheels are here")
    code = AT_WORK.format(grace=grace, last=last)
    assert run(code, number) == (0, expected)
